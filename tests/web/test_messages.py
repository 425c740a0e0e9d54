"""Messages: a client writes, the firm's inbox shows it, the answer comes back; nobody else reads along."""

from __future__ import annotations

import io

from sqlalchemy import select

from portal.models import Assignment, AuditEvent, Message
from portal.ports import Ports
from tests.factories import World, pdf
from tests.web.visitor import Visit, Visitor


def test_a_question_is_answered(visit: Visit, world: World, ports: Ports) -> None:
    client, receipt = world.ours.client, world.ours.receipts["open"]
    owner, staff = visit(world.ours.owner), visit(world.staff)
    assert owner.get("/messages").location == f"/clients/{client.id}/messages"
    page = owner.get(f"/clients/{client.id}/messages?receipt={receipt.id}")
    assert f"About {receipt.label}" in page.text
    sent = owner.post(f"/clients/{client.id}/messages", {"text": "Was fehlt?\r\nGruß", "receipt": receipt.id})
    assert sent.location == f"/clients/{client.id}/messages"
    assert "Your message has been sent." in owner.get(sent.location).text
    inbox = staff.get("/messages").text
    assert "Was fehlt?" in inbox
    assert "<strong>1</strong>" in inbox
    assert world.ours.client.name not in visit(world.other_staff).get("/messages").text
    page = staff.get(f"/clients/{client.id}/messages").text
    assert "Was fehlt?\nGruß" in page
    assert f"/receipts/{receipt.id}" in page
    staff.post(f"/clients/{client.id}/messages", {"text": "Nichts, alles da."})
    assert "<strong>1</strong>" not in staff.get("/messages").text  # who answers has read
    assert "Nichts, alles da." in owner.get(f"/clients/{client.id}/messages").text
    with ports.database.read() as session:
        tags = list(session.scalars(select(AuditEvent.details).where(AuditEvent.tag == "message.written")))
    assert sorted(details["topic"] for details in tags) == ["general", "receipt"]


def test_the_firm_asks_for_a_receipt_and_the_client_brings_it_on_that_line(visit: Visit, world: World, ports: Ports) -> None:
    """P-66: asked where it is missing, answered by an upload on exactly that transaction."""
    client, missing = world.ours.client, "/receipts/missing?state=open"
    owner, staff = visit(world.ours.owner), visit(world.staff)
    talk = f"/clients/{client.id}/messages"
    asking = next(link for link in staff.page(f"{missing}&client={client.id}").links if link.startswith(f"{talk}?transaction="))
    line = asking.partition("=")[2]
    page = staff.page(asking)
    for words in ("About the receipt for", "Please send us the receipt for this payment."):
        assert words in page.words
    assert staff.send(page, talk, text="Bitte den Beleg vom Baumarkt.").status_code == 303
    assert "Bitte den Beleg vom Baumarkt." in staff.page(f"{missing}&client={client.id}").words
    told = owner.page(missing)
    assert "Your tax office asks for this receipt" in told.words
    assert asking not in told.links, "only the firm asks"
    assert f"/receipts/upload?transaction={line}" in owner.page(talk).links
    bring(owner, line)
    assert "Your tax office asks for this receipt" not in owner.page(missing).words
    assert "Its receipt is here" in staff.page(talk).words
    with ports.database.read() as session:
        message = session.scalars(select(Message).where(Message.transaction_id == line)).one()
    assert (message.topic, message.is_from_client) == ("transaction", False)


def test_of_several_requests_none_is_lost_and_none_doubled(visit: Visit, world: World, ports: Ports) -> None:
    """Two for one transaction and one for another: the answer to the first closes its two and leaves the third as it was."""
    client, missing = world.ours.client, "/receipts/missing?state=open"
    owner, staff = visit(world.ours.owner), visit(world.staff)
    talk = f"/clients/{client.id}/messages"
    asking = dict.fromkeys(link for link in staff.page(f"{missing}&client={client.id}").links if "messages?transaction=" in link)
    one, other = [link.partition("=")[2] for link in asking][:2]
    asked = [
        (one, "Bitte den Beleg vom Baumarkt."),
        (other, "Und den vom Elektriker?"),
        (one, "Noch einmal: der Baumarkt fehlt."),
    ]
    for line, text in asked:
        assert staff.send(staff.page(f"{talk}?transaction={line}"), talk, text=text).status_code == 303
    told = owner.page(missing)
    assert told.words.count("Your tax office asks for this receipt") == 2, "once a transaction, however often it was asked"
    assert asked[0][1] not in told.words, "of two requests the newer one counts"
    bring(owner, one)
    told = owner.page(missing)
    assert told.words.count("Your tax office asks for this receipt") == 1
    assert asked[1][1] in told.words
    for visitor in (owner, staff):
        page = visitor.page(talk)
        assert [page.words.count(text) for _, text in asked] == [1, 1, 1]
        assert page.words.count("Its receipt is here") == 2
    assert owner.page(talk).words.count("Upload this receipt") == 1, "only what is still asked for"
    with ports.database.read() as session:
        kept = session.execute(select(Message.transaction_id, Message.text).order_by(Message.created_at, Message.id)).all()
        brought = session.scalars(select(Assignment.transaction_id).where(Assignment.transaction_id.in_((one, other)))).all()
    assert sorted(map(tuple, kept)) == sorted(asked)
    assert brought == [one]


def bring(owner: Visitor, line: str) -> None:
    """Upload the receipt of exactly this transaction."""
    page = owner.page(f"/receipts/upload?transaction={line}")
    form = next(form for form in page.forms if "multipart" in form.attributes.get("enctype", ""))
    sent = {
        **{name: value for name, value in form.fields.items() if name != "file"},
        "direction": "expense",
        "file": (io.BytesIO(pdf("Beleg")), "Beleg.pdf"),
    }
    assert owner.post(form.action, sent, token="").status_code == 303


def test_reading_is_noted_by_a_button_that_the_page_presses_itself(visit: Visit, world: World, ports: Ports) -> None:
    client = world.ours.client
    visit(world.ours.owner).post(f"/clients/{client.id}/messages", {"text": "Hallo"})
    staff = visit(world.staff)
    page = staff.get(f"/clients/{client.id}/messages").text
    assert "Mark as read" in page
    assert f'hx-post="/clients/{client.id}/messages/reading"' in page
    assert staff.post(f"/clients/{client.id}/messages/reading").status_code == 303
    assert "Mark as read" not in staff.get(f"/clients/{client.id}/messages").text


def test_feedback_on_the_beta_has_its_list(visit: Visit, world: World) -> None:
    owner, admin = visit(world.ours.owner), visit(world.admin)
    owner.post(f"/clients/{world.ours.client.id}/messages", {"text": "Sehr bequem", "topic": "beta"})
    owner.post(f"/clients/{world.ours.client.id}/messages", {"text": "Eine Frage"})
    assert "Sehr bequem" in admin.get("/messages?topic=beta").text
    assert "No message of this topic" in admin.get("/messages?topic=receipt").text
    assert "Eine Frage" in admin.get("/messages?topic=no-such-topic").text


def test_what_cannot_be_sent_stays_in_the_field(visit: Visit, world: World, ports: Ports) -> None:
    owner, path = visit(world.ours.owner), f"/clients/{world.ours.client.id}/messages"
    assert "Write a few words first." in owner.post(path, {"text": "  \n "}).text
    long = owner.post(path, {"text": "a" * 5001})
    assert (long.status_code, "5,000 characters at most" in long.text, "a" * 5001 in long.text) == (422, True, True)
    with ports.database.read() as session:
        assert session.scalar(select(Message.id)) is None


def test_markup_stays_text(visit: Visit, world: World) -> None:
    path = f"/clients/{world.ours.client.id}/messages"
    visit(world.ours.owner).post(path, {"text": "<img src=x onerror=alert(1)>"})
    page = visit(world.staff).get(path).text
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_foreign_receipt_is_unknown(visit: Visit, world: World) -> None:
    foreign = world.theirs.receipts["open"].id
    owner, path = visit(world.ours.owner), f"/clients/{world.ours.client.id}/messages"
    assert owner.post(path, {"text": "Hallo", "receipt": foreign}).status_code == 404
    assert owner.get(f"{path}?receipt={foreign}").status_code == 404
