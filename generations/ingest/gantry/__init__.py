"""What the Gantry client logs: calls to a model in the words of
its vendor, and events of any application.

Nothing that it sends is refused: what cannot be read is kept as it came, and said in `problems`. The client gives a
call neither an id nor a time; `fingerprint` tells an event that is sent again from another one.
"""

from generations.ingest.gantry.calls import call, unread, without
from generations.ingest.gantry.events import custom
from generations.ingest.gantry.forms import Event, fingerprint, id_of
from generations.ingest.gantry.judging import judgements

__all__ = ["Event", "call", "custom", "fingerprint", "id_of", "judgements", "unread", "without"]
