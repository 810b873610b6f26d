"""Readers in and out of files, in the order of an import.

`csv_records` and `json_lines` read records, `headings` says which column means what, `rows` makes a reader of a record
with what it `claims` of consent, `staging` keeps each address once, `importing` judges and writes, `inviting` asks
those who wait. `exporting` is the way back.
"""
