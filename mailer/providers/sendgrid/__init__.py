"""All that we know of SendGrid, and nothing else does.

`payload` builds a request, `client` posts it and says what the answer means, `transport` moves the bytes. `strict`
knows what SendGrid refuses, `backend` carries Django's own mail.
"""
