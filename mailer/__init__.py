"""Send newsletters that are written in Markdown: from a file in git to each confirmed subscriber, exactly once."""
