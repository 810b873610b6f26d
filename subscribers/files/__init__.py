"""Readers in and out of files, in the order of an import.

`archives` opens what is packed; `csv_records`, `json_lines` and `plain_lists` read records, `headings` and `fields` say
which column means what, `voices` and `words` what is said in it, `rows` makes a reader of a record with what it
`claims` of consent, `restricting` hears what a rejected row says all the same, `unread` looks into the columns that
nobody reads, `staging` keeps each address once, `importing` judges and writes, `inviting` asks those who wait.
`exporting` is the way back.
"""
