"""The invented shop whose assistant the demonstration is about: its customers, goods, help articles and tools."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from generations.records import Json

SHOP: Final = "Fernhill Cycles"


@dataclass(frozen=True, slots=True)
class Product:
    """Something the shop sells; `price` in euros."""

    name: str
    sku: str
    price: int
    sizes: tuple[str, ...]


PRODUCTS: Final = (
    Product("Larch 3 gravel bike", "LAR3", 1849, ("52", "54", "56", "58")),
    Product("Moorland trekking bike", "MOOR", 1299, ("50", "54", "58")),
    Product("Pip 20 children's bike", "PIP20", 389, ("20 inch",)),
    Product("Heron folding bike", "HERON", 999, ("one size",)),
    Product("Drumlin rain jacket", "DRUM", 139, ("S", "M", "L", "XL")),
    Product("Wayfarer pannier pair", "WAYF", 118, ("2 x 18 l",)),
    Product("Tarn helmet", "TARN", 89, ("51-55", "55-59", "59-63")),
    Product("Beacon 60 front light", "BEAC", 64, ("one size",)),
    Product("Quietring bell", "BELL", 19, ("one size",)),
    Product("Sett 40 tubeless tyre", "SETT", 47, ("700x40", "650x47")),
    Product("Kiln winter gloves", "KILN", 42, ("S", "M", "L")),
    Product("Ridgeback e-cargo bike", "RIDGE", 4290, ("one size",)),
)

CARRIERS: Final = ("DHL", "DPD", "UPS", "PostNord")

ARTICLES: Final[Mapping[str, str]] = {
    "shipping": (
        "Delivery times. Accessories leave the warehouse on the day of the order when it is placed before 14:00 and "
        "arrive in one to three working days. Bikes are assembled and test-ridden first: allow five to eight working "
        "days. You get a tracking link by e-mail as soon as the carrier has scanned the parcel. When the status does "
        "not change for three working days we start a search with the carrier; it takes up to five days more."
    ),
    "returns": (
        "Returns. You may send anything back within 30 days, unused and with its packaging. Returns are free within "
        "the EU; a label is made in your account or by our assistant. Bikes are collected from your door. The money "
        "goes back the way it came within five working days after we have the goods. Worn helmets and opened inner "
        "tubes cannot be taken back, for reasons of safety."
    ),
    "warranty": (
        "Warranty. Frames and forks are covered for ten years, electric systems for two years or 20,000 km, all other "
        "parts for two years. Wear is not covered: tyres, brake pads, chains, cables. For a claim we need the order "
        "number, a photo of the part and a sentence about what happened. Most claims are decided within two days."
    ),
    "sizing": (
        "Finding your size. Measure your inseam without shoes, in centimetres. Larch: below 79 take 52, 79 to 83 take "
        "54, 83 to 87 take 56, above that 58. Between two sizes, the smaller one feels livelier and the larger one "
        "calmer. Helmets: measure around the head two centimetres above the eyebrows. Jackets are cut for one layer "
        "beneath; take one size more for winter."
    ),
    "tubeless": (
        "Going tubeless. Sett tyres seal with 60 ml of fluid each, 80 ml in winter. Seat the tyre with at least 4 bar "
        "and then let it down to riding pressure. A new tyre may lose air for two days until the fluid has found "
        "every pore; ride it for half an hour to spread it. Refresh the fluid every six months."
    ),
    "invoices": (
        "Invoices. The invoice is in your account under Orders, and in the e-mail that says the parcel has left. For "
        "a company's name or VAT number on it, write to us before the parcel leaves; afterwards we can only cancel "
        "and reissue within the same month."
    ),
    "battery": (
        "Caring for the battery. Charge between 5 and 30 degrees, and store it half full when you do not ride for a "
        "month. Below zero its range drops by a third; that is normal and comes back in spring. A battery that is "
        "blinking red four times wants the motor's software updated, which any of our partner workshops does."
    ),
    "club": (
        "The Fernhill Club costs 6 euros a month: free delivery, a yearly service at a partner workshop, and early "
        "access to sales. You may leave at any time; it then ends with the paid month. A service that was booked "
        "before leaving still takes place."
    ),
}

FIRST_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("Maeve", "Oliver", "Priya", "Tom", "Grace", "Callum", "Ada", "Samuel", "Ines", "Joel", "Nora", "Felix"),
    "de": ("Lena", "Jonas", "Mareike", "Thomas"),
    "fr": ("Camille", "Luc", "Inès", "Étienne"),
    "es": ("Lucía", "Javier", "Marta", "Íñigo"),
    "zh": ("李娜", "王伟", "张敏", "陈晨"),
    "ja": ("佐藤", "鈴木", "高橋", "田中"),
    "ar": ("ليلى", "عمر", "سارة", "يوسف"),
    "hi": ("अनन्या", "रोहन", "मीरा", "अर्जुन"),
}
CITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("Galway", "Leeds", "Utrecht", "Bristol", "Malmö", "Cork"),
    "de": ("Leipzig", "Freiburg", "Graz"),
    "fr": ("Nantes", "Lille", "Liège"),
    "es": ("Valencia", "Bilbao", "Sevilla"),
    "zh": ("上海", "成都"),
    "ja": ("京都", "札幌"),
    "ar": ("عمّان", "دبي"),
    "hi": ("पुणे", "जयपुर"),
}
PLANS: Final = ("free", "free", "free", "club", "club", "business")


def _tool(name: str, description: str, **properties: str) -> Json:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {key: {"type": "string", "description": words} for key, words in properties.items()},
                "required": list(properties),
            },
        },
    }


TOOLS: Final[list[Json]] = [
    _tool("get_order", "Look up an order: its lines, state and parcel.", order_id="Order number, as in FH-48213"),
    _tool("track_parcel", "Where a parcel is now.", order_id="Order number", carrier="Name of the carrier"),
    _tool("create_return", "Make a return label.", order_id="Order number", reason="Why, in the customer's words"),
    _tool("check_stock", "How many are in stock, by size.", sku="Article number", size="Size as listed"),
    _tool("book_workshop", "Book a partner workshop.", city="City", date="Day, ISO 8601"),
]

SYSTEM: Final[Mapping[int, str]] = {
    11: (
        "You are Fern, the assistant of Fernhill Cycles, a shop for bikes and what goes with them. You are talking to "
        "{customer_name}, whose language is {locale} and who has ordered {orders} times. Today is {today}. Be brief "
        "and friendly. Use the tools for anything about an order."
    ),
    12: (
        "You are Fern, the assistant of Fernhill Cycles, a shop for bikes and what goes with them. You are talking to "
        "{customer_name}, whose language is {locale} and who has ordered {orders} times. Today is {today}.\n\n"
        "- Answer in the customer's language, in at most 120 words.\n"
        "- Use the tools for anything about an order; never guess its state.\n"
        "- Say what happens next and when. Promise no refund before a colleague has confirmed it."
    ),
    13: (
        "You are Fern, the assistant of Fernhill Cycles, a shop for bikes and what goes with them. You are talking to "
        "{customer_name}, whose language is {locale} and who has ordered {orders} times. Today is {today}.\n\n"
        "- Answer in the customer's language, in at most 120 words, without headings.\n"
        "- Use the tools for anything about an order; never guess its state.\n"
        "- Build on the help articles below; when they do not answer, say so and hand over to a colleague.\n"
        "- Say what happens next and when. Promise no refund before a colleague has confirmed it.\n"
        "- When something is unsafe to ride, say so first."
    ),
}
"""The support prompt by version; the names in braces are its variables."""


def photo(width: int = 120, height: int = 80) -> str:
    """A customer's photo as a data: URL: a cardboard box with a torn corner, drawn here pixel by pixel."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            torn = x + y > 142 and (x * 7 + y * 13) % 11 > 3
            tape = 54 <= x <= 66
            inside = 14 <= x <= 106 and 12 <= y <= 70
            if torn and inside:
                colour = (38, 34, 30)
            elif inside:
                colour = (214, 196, 150) if tape else (176 + (x * y) % 9, 134 + (x + y) % 7, 86)
            else:
                colour = (226 - y // 2, 228 - y // 2, 232 - y // 2)
            rows.extend(colour)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()
