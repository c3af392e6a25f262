"""A browser that is not there: what views send is kept, and what a reader would do is sent to them."""

import json
from html.parser import HTMLParser

from comm.base_comm import BaseComm
from tempclr_widgets.view import View

HOSTILE = ["<b>x</b></script><script>alert(1)</script>", "<!-- $y$ \u2028 &amp;", "שלום \u202e abc", ""]


class RecordingComm(BaseComm):
    """A channel to a browser that is not there: it keeps what is sent."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.sent: list[tuple[dict, list]] = []
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        self.sent.append((data or {}, buffers or []))


def from_browser(view: View, **state: object) -> None:
    """What a browser sends when the reader moves something."""
    view.comm.handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


def tell(view: View, **content: object) -> None:
    """Send the kernel a message."""
    view.comm.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


def asked(view: View, **content: object) -> tuple[dict, list]:
    """What the kernel answers to a message."""
    view.comm.sent.clear()
    tell(view, **content)
    ((data, buffers),) = [each for each in view.comm.sent if each[0].get("method") == "custom"]
    return data["content"], buffers


def state_of(page: str) -> dict:
    """The data in a page, read as a browser does."""

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
