"""What tests of the page do again and again, and a text that must stay a text."""

from __future__ import annotations

MARKUP = "<img src=x onerror=\"document.title='broken'\"></script><script>document.title='broken'</script>"
"""An author and a text that would do something if they were read as markup."""


def answered(page) -> None:
    """Wait until the page shows all that it asked for."""
    from playwright.sync_api import expect

    page.wait_for_selector("#figure")
    expect(page.locator(".waiting")).to_have_count(0, timeout=60_000)
    page.wait_for_selector("#reasons .bars")


def told(page, **fields: str) -> None:
    """Fill fields of the form and send it."""
    for name, value in fields.items():
        page.fill(f"#{name}", value)
    page.click("#ask")
    answered(page)
