"""The reference of commands: what ``popcast COMMAND --help`` prints, for every command."""

from __future__ import annotations

import click

WIDTH = 100

HEAD = """# Commands

What `popcast --help` and `popcast COMMAND --help` print. A command that refuses its input says so in one
line and ends with exit code 1.
"""


def commands_page(main: click.Group, name: str = "popcast") -> str:
    """Markdown: a heading and the help text of ``main`` and of every command in it, in the order of ``--help``.

    >>> @click.group(name="tool")
    ... def tool():
    ...     "Does things."
    >>> @tool.command()
    ... @click.option("--times", default=1, help="how often")
    ... def greet(times):
    ...     "Say hello."
    >>> print(commands_page(tool, "tool").split("## ")[2])
    tool greet
    <BLANKLINE>
    ```text
    Usage: tool greet [OPTIONS]
    <BLANKLINE>
      Say hello.
    <BLANKLINE>
    Options:
      --times INTEGER  how often
      --help           Show this message and exit.
    ```
    <BLANKLINE>
    """
    parts = [HEAD, _help(main, name, None)]
    group = _context(main, name, None)
    for command in main.list_commands(group):
        found = main.get_command(group, command)
        if found is not None and not found.hidden:
            parts.append(_help(found, command, group))
    return "\n".join(parts)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)


def _help(command: click.Command, name: str, parent: click.Context | None) -> str:
    context = _context(command, name, parent)
    return f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
