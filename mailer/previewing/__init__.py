"""`mailer preview`: an issue in the browser as readers will get it, drawn anew whenever the editor saves.

`drafts` draws the file, `watching` tells when it or what it uses changed, `showing` makes of a draft what the page
shows, and `server` gives it to a browser on this machine and to nobody else.
"""
