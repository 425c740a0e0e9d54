"""The tables, one noun a file."""

from portal.models.assignment import Assignment, Candidate
from portal.models.audit_event import AuditEvent, AuditHead
from portal.models.base import Base
from portal.models.client import PLANS_WITH_BANK, Client, Engagement, Membership, TaxReturn
from portal.models.connection import BankAccount, ConnectAttempt, Connection, Consent, ScaSession
from portal.models.distinction import Distinction
from portal.models.explanation import Explanation
from portal.models.mail import Mail
from portal.models.message import HelpVote, Message
from portal.models.note import Note, Presence
from portal.models.payment import Approval, Payment, PaymentBatch, PaymentRules
from portal.models.receipt import Document, Preview, Receipt, SkippedInvoice
from portal.models.refusal import Refusal
from portal.models.run import Heartbeat, RequestBudget, Run
from portal.models.saved_view import SavedView
from portal.models.statement import Statement
from portal.models.transaction import Transaction, TransactionKey
from portal.models.user import Attempt, OneTimeCode, Role, User, UserSession
from portal.models.webhook import WebhookEvent, WebhookSubscription

__all__ = [
    "PLANS_WITH_BANK",
    "Approval",
    "Assignment",
    "Attempt",
    "AuditEvent",
    "AuditHead",
    "BankAccount",
    "Base",
    "Candidate",
    "Client",
    "ConnectAttempt",
    "Connection",
    "Consent",
    "Distinction",
    "Document",
    "Engagement",
    "Explanation",
    "Heartbeat",
    "HelpVote",
    "Mail",
    "Membership",
    "Message",
    "Note",
    "OneTimeCode",
    "Payment",
    "PaymentBatch",
    "PaymentRules",
    "Presence",
    "Preview",
    "Receipt",
    "Refusal",
    "RequestBudget",
    "Role",
    "Run",
    "SavedView",
    "ScaSession",
    "SkippedInvoice",
    "Statement",
    "TaxReturn",
    "Transaction",
    "TransactionKey",
    "User",
    "UserSession",
    "WebhookEvent",
    "WebhookSubscription",
]
