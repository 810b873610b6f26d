"""Everything that mailer knows of SendGrid; no other package does.

`provider` answers what mailer asks. `payload` and `single_mails` build requests, `client` posts one through SendGrid's
`package` and says what the answer means. `strict` knows what SendGrid refuses, `rehearsal` plays it. `webhook` reads
what it reports and `bounces` what that means, `account` and `suppressions` look at its settings and lists.
`settings` reads ours from the environment.
"""

SETTINGS = ("SENDGRID_API_KEY", "SENDGRID_API_URL", "SENDGRID_WEBHOOK_PUBLIC_KEY")
