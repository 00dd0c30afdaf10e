"""Pictures of answers, as SVG text: `labels` makes names harmless, `layout` places, `svg` draws."""
