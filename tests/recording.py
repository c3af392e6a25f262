"""A stand-in for the browser: it keeps what views send, and sends them what a reader's actions would."""

import json
from html.parser import HTMLParser

from comm.base_comm import BaseComm
from tempclr_widgets.view import View

HOSTILE = ["<b>x</b></script><script>alert(1)</script>", "<!-- $y$ \u2028 &amp;", "שלום \u202e abc", ""]


class RecordingComm(BaseComm):
    """A channel that keeps what is sent instead of passing it to a browser."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.sent: list[tuple[dict, list]] = []
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        self.sent.append((data or {}, buffers or []))


def from_browser(view: View, **state: object) -> None:
    """Send a view the change of state that a reader makes in the browser."""
    view.comm.handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


def tell(view: View, **content: object) -> None:
    """Send a view a message, as the browser does."""
    view.comm.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


def asked(view: View, **content: object) -> tuple[dict, list]:
    """Return the answer of a view to a message, and its buffers."""
    view.comm.sent.clear()
    tell(view, **content)
    ((data, buffers),) = [each for each in view.comm.sent if each[0].get("method") == "custom"]
    return data["content"], buffers


def state_of(page: str) -> dict:
    """Return the state that a saved page holds, read as a browser reads it."""

    class Reader(HTMLParser):
        inside, text, scripts = False, "", 0

        def handle_starttag(self, tag, attributes):
            self.scripts += tag == "script"
            self.inside = ("id", "tempclr-state") in attributes

        def handle_endtag(self, tag):
            self.inside = False

        def handle_data(self, data):
            self.text += data if self.inside else ""

    reader = Reader()
    reader.feed(page)
    assert reader.scripts == 2  # the data and the module
    return json.loads(reader.text)
