"""What all processes of an installation share through its database and its files."""
