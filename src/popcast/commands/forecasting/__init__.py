"""Commands about posts that are not out yet. Bundle and drafts come in; forecasts and what became of them go out."""
