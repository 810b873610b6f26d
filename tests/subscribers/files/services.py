"""What other services export: their headings, and what each of their rows means here.

Invented people; the formats are those of the sources named.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Export:
    source: str  # where the format is shown
    heading: str
    free: int  # a column that says nothing of who gets mail, where things go wrong
    rows: dict[str, str]  # row, with {who} for the address → what its person is here
    state: str | None = None  # --state, where the file does not say who is here
    name: str = "export.csv"


EXPORTS = {
    "Kit": Export(
        "developers.kit.com, subscribers: state; the export of Subscribers",
        "id,first_name,email,state,created_at,tags",
        1,
        {
            "1,Ada,{who},active,2024-03-02 10:11:12 UTC,": "active",
            "2,Ada,{who},cancelled,2024-03-02 10:11:12 UTC,": "unsubscribed",
            "3,Ada,{who},bounced,2024-03-02 10:11:12 UTC,": "bounce",
            "4,Ada,{who},complained,2024-03-02 10:11:12 UTC,": "complaint",
            "5,Ada,{who},inactive,2024-03-02 10:11:12 UTC,": "unsubscribed",
        },
    ),
    "Sendy": Export(
        "sendy.co, the export of a list: Status",
        "Name,Email,Last activity,Status,Country,Signedup from,GDPR",
        0,
        {
            "Ada,{who},2024-03-02,Subscribed,,,": "active",
            "Ada,{who},2024-03-02,Unsubscribed,,,": "unsubscribed",
            "Ada,{who},2024-03-02,Bounced,,,": "bounce",
            "Ada,{who},2024-03-02,Soft bounced,,,": "bounce",
            "Ada,{who},2024-03-02,Marked as spam,,,": "complaint",
            "Ada,{who},2024-03-02,Unconfirmed,,,": "pending",
        },
    ),
    "Buttondown": Export(
        "github.com/buttondown/openapi, enums.json: SubscriberType",
        "id,email_address,creation_date,type,notes,source,unsubscription_date,unsubscription_reason",
        4,
        {
            "s1,{who},2024-03-02T10:11:12Z,regular,,form,,": "active",
            "s2,{who},2024-03-02T10:11:12Z,unsubscribed,,form,2025-05-05T10:11:12Z,too many": "unsubscribed",
            "s3,{who},2024-03-02T10:11:12Z,paused,,form,,": "unsubscribed",
            "s4,{who},2024-03-02T10:11:12Z,blocked,,form,,": "manual",
            "s5,{who},2024-03-02T10:11:12Z,spammy,,form,,": "manual",
            "s6,{who},2024-03-02T10:11:12Z,unactivated,,form,,": "pending",
            "s7,{who},2024-03-02T10:11:12Z,undeliverable,,form,,": "bounce",
        },
    ),
    "beehiiv": Export(
        "developers.beehiiv.com, subscriptions: status; TryGhost/migrate, mg-beehiiv-members",
        "Email,Status,Subscribed At,Tier,Unsubscribed At,Acquisition Source",
        3,
        {
            "{who},active,2024-03-02 10:11:12 UTC,free,,web": "active",
            "{who},inactive,2024-03-02 10:11:12 UTC,free,2025-03-02 10:11:12 UTC,web": "unsubscribed",
            "{who},needs_attention,2024-03-02 10:11:12 UTC,free,,web": "unsubscribed",
            "{who},paused,2024-03-02 10:11:12 UTC,premium,,web": "unsubscribed",
            "{who},invalid,2024-03-02 10:11:12 UTC,free,,web": "bounce",
            "{who},validating,2024-03-02 10:11:12 UTC,free,,web": "pending",
        },
    ),
    "MailerLite": Export(
        "github.com/mailerlite/mailerlite-nodejs, src/modules/subscribers: possible statuses; its export",
        "Subscriber,Name,Status,Sent,Opened,Subscribed,Unsubscribed,Location",
        1,
        {
            "{who},Ada,active,12,8,2024-03-02 10:11:12,,": "active",
            "{who},Ada,unsubscribed,12,8,2024-03-02 10:11:12,2025-01-01 10:00:00,": "unsubscribed",
            "{who},Ada,unconfirmed,0,0,2024-03-02 10:11:12,,": "pending",
            "{who},Ada,bounced,0,0,2024-03-02 10:11:12,,": "bounce",
            "{who},Ada,junk,0,0,2024-03-02 10:11:12,,": "complaint",
        },
    ),
    "Keila": Export(
        "github.com/pentacent/keila, lib/keila/contacts: status",
        "Email,First name,Last name,Data,Status,External ID",
        2,
        {
            "{who},Ada,L,{{}},active,": "active",
            "{who},Ada,L,{{}},unreachable,": "bounce",
            "{who},Ada,L,{{}},unsubscribed,": "unsubscribed",
        },
    ),
    "Brevo": Export(
        "developers.brevo.com, contacts: emailBlacklisted; its export",
        "CONTACT ID,EMAIL,FIRSTNAME,SMS,EMAIL_BLACKLISTED,SMS_BLACKLISTED,ADDED_TIME",
        2,
        {
            "1,{who},Ada,,No,No,02-03-2024 10:11:12": "active",
            "2,{who},Ada,,Yes,No,02-03-2024 10:11:12": "unsubscribed",
        },
        "active",
    ),
    "Brevo, newer": Export(
        "help.brevo.com, export of contacts: DOUBLE_OPT-IN is 1 or 2",
        "CONTACT ID,EMAIL,FIRSTNAME,DOUBLE_OPT-IN,OPT_IN,EMAIL_MARKETING,ADDED_TIME",
        2,
        {
            "1,{who},Ada,1,1,Subscribed,02-03-2024 10:11:12": "active",
            "2,{who},Ada,1,1,Unsubscribed,02-03-2024 10:11:12": "unsubscribed",
            "3,{who},Ada,2,1,Subscribed,02-03-2024 10:11:12": "pending",
        },
    ),
    "Mautic": Export(
        "github.com/mautic/mautic, LeadBundle/Entity/DoNotContact.php: 1, 2, 3",
        "Email,First name,DNC reason,Do not contact channel",
        1,
        {
            "{who},Ada,,": "active",
            "{who},Ada,1,email": "unsubscribed",
            "{who},Ada,2,email": "bounce",
            "{who},Ada,3,email": "manual",
        },
        "active",
    ),
    "Mautic, import fields": Export(
        "github.com/mautic/mautic, LeadBundle: doNotEmail",
        "email,firstname,doNotEmail",
        1,
        {"{who},Ada,0": "active", "{who},Ada,1": "unsubscribed", "{who},Ada,TRUE": "unsubscribed"},
        "active",
    ),
    "phpList": Export(
        "github.com/phpList/phplist3, the table user: confirmed, blacklisted, bouncecount, disabled",
        "id,email,name,confirmed,blacklisted,bouncecount,disabled",
        2,
        {
            "1,{who},Ada,1,0,0,0": "active",
            "2,{who},Ada,1,1,0,0": "unsubscribed",
            "3,{who},Ada,0,0,0,0": "pending",
            "4,{who},Ada,1,0,3,1": "unsubscribed",
        },
        "active",
    ),
    "Mailman": Export(
        "docs.mailman3.org, members of the REST API; interfaces/member.py: DeliveryStatus",
        "email,display_name,delivery_mode,delivery_status,role,moderation_action",
        1,
        {
            "{who},Ada,regular,enabled,member,": "active",
            "{who},Ada,regular,by_bounces,member,": "bounce",
            "{who},Ada,regular,by_user,member,": "unsubscribed",
            "{who},Ada,regular,by_moderator,member,": "unsubscribed",
            "{who},Ada,regular,enabled,nonmember,": "unsubscribed",
        },
        "active",
    ),
    "MailPoet": Export(
        "github.com/mailpoet/mailpoet, Entities/SubscriberEntity.php: STATUS_; its export",
        "Email,First name,Last name,List,Global status,List status",
        2,
        {
            "{who},Ada,L,Weekly,subscribed,subscribed": "active",
            "{who},Ada,L,Weekly,subscribed,unsubscribed": "unsubscribed",
            "{who},Ada,L,Weekly,inactive,subscribed": "unsubscribed",
            "{who},Ada,L,Weekly,bounced,subscribed": "bounce",
            "{who},Ada,L,Weekly,unconfirmed,subscribed": "pending",
        },
    ),
    "HubSpot": Export(
        "knowledge.hubspot.com, email properties of contacts; marketing contacts",
        "Record ID,First Name,Email,Unsubscribed from all email,Email hard bounce reason,Marketing contact status",
        1,
        {
            "1,Ada,{who},,,Marketing contact": "active",
            "2,Ada,{who},true,,Marketing contact": "unsubscribed",
            "3,Ada,{who},,UNKNOWN_USER,Marketing contact": "bounce",
            "4,Ada,{who},,,Non-marketing contact": "unsubscribed",
        },
        "active",
    ),
    "Klaviyo": Export(
        "developers.klaviyo.com, collect email and sms consent via api",
        "Email,First Name,Email Marketing Consent",
        1,
        {
            "{who},Ada,SUBSCRIBED": "active",
            "{who},Ada,UNSUBSCRIBED": "unsubscribed",
            "{who},Ada,NEVER_SUBSCRIBED": "unsubscribed",
            "{who},Ada,USER_SUPPRESSED": "manual",
        },
    ),
    "Jetpack": Export(
        "wordpress.com/support, subscribers: the export",
        "email,status,subscription_date,country",
        3,
        {"{who},Active,2024-03-02,DE": "active", "{who},Not sending,2024-03-02,DE": "unsubscribed"},
    ),
    "Mailtrain": Export(
        "github.com/Mailtrain-org/mailtrain, shared/lists.js: SubscriptionStatus",
        "email,first_name,status",
        1,
        {"{who},Ada,1": "active", "{who},Ada,2": "unsubscribed", "{who},Ada,3": "bounce", "{who},Ada,4": "complaint"},
    ),
    "SendGrid, bounces": Export(
        "docs.sendgrid.com, suppressions: bounces; RFC 3463",
        "email,created,reason,status",
        1,
        {"{who},2024-03-02T10:11:12Z,550 no such user,5.1.1": "bounce"},
    ),
    "SendGrid, invalid addresses": Export(
        "docs.sendgrid.com, suppressions: invalid emails",
        "email,created,reason",
        1,
        {"{who},2024-03-02T10:11:12Z,Mail domain mentioned in email address is unknown": "bounce"},
    ),
    "listmonk": Export(
        "github.com/knadh/listmonk, cmd/subscribers.go",
        "uuid,email,name,attributes,status,subscription_status,created_at",
        3,
        {
            "u1,{who},Ada,{{}},enabled,confirmed,2024-03-02 10:11:12": "active",
            "u2,{who},Ada,{{}},enabled,unsubscribed,2024-03-02 10:11:12": "unsubscribed",
            "u3,{who},Ada,{{}},blocklisted,confirmed,2024-03-02 10:11:12": "manual",
        },
    ),
    "Mailchimp, German": Export(
        "mailchimp.com/help, about the fields of an export; exports that people show",
        "Emailadresse,Vorname,Nachname,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME",
        2,
        {"{who},Ada,L,4,2018-02-12 17:59:31,2018-02-12 18:06:58": "unsubscribed"},
        name="unsubscribed_segment_export_de01.csv",
    ),
}
