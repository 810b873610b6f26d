"""What subscribers see and press: the form, the links of their emails, their own pages."""
