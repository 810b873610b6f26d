"""`mailer preview`: show an issue in the browser as subscribers will get it, rendered anew at each save.

`drafts` renders the file, `watching` tells when it or what it uses changed, `showing` turns a draft into what the page
shows, and `server` serves it to browsers on this machine only.
"""
