"""Import and export of subscribers, in the order of an import.

`archives` opens what is packed; `csv_records`, `json_lines` and `plain_lists` read records; `columns` and `fields` say
which column means what, `voices` and `words` what it says; `rows` turns a record into a newcomer with the consent it
states (`stated_consent`); `restricting` reads what a rejected row still says; `unread` looks into the columns that
nothing reads; `staging` keeps each address once; `importing` judges and writes; `inviting` asks those who are pending.
`exporting` is the way back.
"""
