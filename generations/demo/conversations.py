"""What customers ask the shop's assistant and what it answers, in English; names in braces are filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Turn:
    """One question, in one of several wordings, and its answer, likewise."""

    asks: tuple[str, ...]
    answers: tuple[str, ...]
    tool: str | None = None
    article: str | None = None
    has_photo: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A conversation about one topic. A talk may end after any of its turns."""

    topic: str
    turns: tuple[Turn, ...]
    locale: str = "en"


ENGLISH: Final = (
    Script(
        "delivery",
        (
            Turn(
                (
                    "Hi, where is my order {order}? It should have been here on {date}.",
                    "Order {order} still hasn't turned up. Can you check what is going on with it?",
                    "Hello! I ordered a {product} ({order}) and the tracking page has not moved for days.",
                ),
                (
                    (
                        "Hello {first}, I have looked up {order}: your {product} left our warehouse on {date} with "
                        "{carrier} and was last scanned in {city}. {carrier} now expects to deliver it within {days} "
                        "working days. If it has not arrived by then, write to me here and I will start a search with "
                        "them right away."
                    ),
                    (
                        "Thanks for waiting, {first}. The parcel with your {product} is with {carrier} in {city}; it "
                        "was held up in sorting but is moving again. Please allow {days} more working days. You do not "
                        "have to do anything, and I have asked the carrier to send you a text message in the morning."
                    ),
                ),
                tool="track_parcel",
                article="shipping",
            ),
            Turn(
                (
                    "I will be away from Thursday. Can it go to a pick-up point?",
                    "Nobody is at home in the daytime. Could they leave it with a neighbour?",
                ),
                (
                    (
                        "Yes: open the tracking link from {carrier} and choose “deliver elsewhere” before eight in the "
                        "evening of the day before. Pick-up points keep parcels for seven days. A bike box is too "
                        "large for lockers, but a neighbour's name works for every size."
                    ),
                ),
                article="shipping",
            ),
            Turn(
                ("Great, thank you!", "ok thanks 👍", "Perfect, that was quick."),
                ("You are welcome, {first}. Enjoy the ride! 🚲", "Gladly. Have a good trip, {first}."),
            ),
        ),
    ),
    Script(
        "return",
        (
            Turn(
                (
                    "The {product} in size {size} is too small for me. How do I send it back?",
                    "I would like to return the {product} from order {order}, it does not fit.",
                ),
                (
                    (
                        "That is no trouble, {first}. I have made a return label for order {order}; it is on its way "
                        "to your e-mail address. Put the {product} back into its packaging, stick the label on, and "
                        "hand it in at any {carrier} shop by {date}. The {price} euros go back the way they came, "
                        "within five working days after we have it."
                    ),
                    (
                        "I am sorry that it does not fit. The label for {order} is ready in your account under "
                        "Returns. Would you rather exchange it? I can hold the next size for you until the parcel is "
                        "scanned."
                    ),
                ),
                tool="create_return",
                article="returns",
            ),
            Turn(
                ("Exchange sounds good. Do you have the next size up?", "Is it there one size larger?"),
                (
                    (
                        "It is: we have {days} of them in the next size. I have put one aside under your name. As soon "
                        "as {carrier} has scanned your return, ours leaves the same day, with no further delivery "
                        "charge."
                    ),
                    (
                        "Not at the moment, I am afraid. The next delivery is due on {date}. I can note you down, or "
                        "we simply return the money. Which do you prefer?"
                    ),
                ),
                tool="check_stock",
            ),
        ),
    ),
    Script(
        "damage",
        (
            Turn(
                (
                    "The box arrived like this, torn open at the corner. Is my {product} even safe to use?",
                    "Look at this parcel! I have not dared to unpack the {product}. Photo attached.",
                ),
                (
                    (
                        "Thank you for the photo, {first}, and I am sorry: the corner of the box is torn through and "
                        "the tape has come loose. Please do not ride or use the {product} before you have looked it "
                        "over. Could you take out the inner carton and send me one picture of it? I have already noted "
                        "the damage on order {order}, so that {carrier} cannot say it was not reported in time."
                    ),
                    (
                        "I can see the tear at the right-hand side, {first}. Keep the box, as {carrier} may want to "
                        "see it. If anything inside is scratched or bent, we replace it free of charge; if only the "
                        "cardboard suffered, I will credit you the delivery of order {order}."
                    ),
                ),
                article="warranty",
                has_photo=True,
            ),
            Turn(
                (
                    "Inside there is a scratch of about 3 cm. Otherwise it seems fine.",
                    "The inside looks untouched, luckily.",
                ),
                (
                    (
                        "Then it is safe to use. You may choose: we send a new {product} and collect this one, or you "
                        "keep it and we take {days} per cent off the {price} euros. A colleague confirms whichever you "
                        "like within one working day."
                    ),
                ),
            ),
        ),
    ),
    Script(
        "sizing",
        (
            Turn(
                (
                    "I am 1.78 m with an inseam of 83 cm. Which size of the {product} should I take?",
                    "Between two sizes on the {product}: what would you recommend for long rides?",
                ),
                (
                    (
                        "With an inseam of 83 cm you sit right between 54 and 56, {first}. For long, calm days I would "
                        "take the larger one; if you like a bike that turns quickly, the smaller. Either way the stem "
                        "can be exchanged once within 30 days for free. Would a test ride in {city} help?"
                    ),
                    (
                        "For long rides the larger of the two, as it puts less weight on your hands. Measure once more "
                        "without shoes, though: a single centimetre decides here."
                    ),
                ),
                article="sizing",
            ),
            Turn(
                ("Yes, a test ride on Saturday would be great.", "Can I try both somewhere near {city}?"),
                (
                    (
                        "I have booked you with our partner workshop in {city} for {date}, 10:30. Both sizes will be "
                        "there. Bring the shoes that you ride in; it takes about forty minutes."
                    ),
                ),
                tool="book_workshop",
            ),
        ),
    ),
    Script(
        "warranty",
        (
            Turn(
                (
                    "My {product} creaks after only {days} months. Is that covered?",
                    "The display of the {product} went black in the rain. Order {order}. What now?",
                ),
                (
                    (
                        "That should not happen, {first}, and it is within the two years. Stop riding it if anything "
                        "feels loose. For the claim I need a photo of the part and a sentence about when it began; I "
                        "have the order {order} before me already. Most claims are decided within two days."
                    ),
                ),
                tool="get_order",
                article="warranty",
            ),
            Turn(
                (
                    "It began after the last service. The sound comes from the bottom bracket.",
                    "No photo possible right now. Can you decide without?",
                ),
                (
                    (
                        "That helps. A creak from the bottom bracket after a service is most often a matter of grease "
                        "and torque: the workshop should look first, at no cost to you. I have sent them your "
                        "description. If the part itself is worn, the warranty pays."
                    ),
                    (
                        "Not quite, the workshop wants to see it. But I have opened the claim with today's date, so "
                        "that you lose no time; add the picture whenever you can."
                    ),
                ),
            ),
        ),
    ),
    Script(
        "invoice",
        (
            Turn(
                (
                    "I need the invoice for {order} with our company name and VAT number on it.",
                    "Where do I find the invoice for order {order}?",
                ),
                (
                    (
                        "The invoice for {order} over {price} euros is in your account under Orders, and was attached "
                        "to the e-mail of {date}. To have your company's name and VAT number on it, reply with both: "
                        "as the month has not ended, we can cancel it and issue a new one."
                    ),
                ),
                tool="get_order",
                article="invoices",
            ),
        ),
    ),
    Script(
        "tubeless",
        (
            Turn(
                (
                    "My new Sett tyre loses air over night. Did I do something wrong?",
                    "How much sealant goes into a 40 mm tyre, and at what pressure?",
                ),
                (
                    (
                        "Most likely not, {first}. A new tubeless tyre may lose air for two days, until the fluid has "
                        "found every pore. Put in 60 ml (80 in winter), seat the tyre with 4 bar, let it down to what "
                        "you ride, and then ride it for half an hour. If it still goes flat after that, look for "
                        "bubbles at the valve with some soapy water."
                    ),
                ),
                article="tubeless",
            ),
            Turn(
                ("There are bubbles around the valve.", "And if it leaks at the rim?"),
                (
                    (
                        "Then the valve's rubber foot does not sit tight: loosen the nut, press the valve down from "
                        "inside, and tighten by hand only. At the rim, a second layer of tape, 3 mm wider than the "
                        "bed, nearly always does it."
                    ),
                ),
            ),
        ),
    ),
    Script(
        "battery",
        (
            Turn(
                (
                    "My {product} only gets half as far as in summer. Is the battery dying?",
                    "The battery blinks red four times and the motor does not start.",
                ),
                (
                    (
                        "Probably not: below zero the range drops by a third, and comes back in spring. Keep the "
                        "battery indoors, put it in just before you ride, and charge it between 5 and 30 degrees. If "
                        "four red flashes show, the motor wants a software update; our partner in {city} does that "
                        "while you wait."
                    ),
                ),
                article="battery",
            ),
        ),
    ),
    Script(
        "club",
        (
            Turn(
                ("I want to leave the Club. How?", "How do I cancel my Fernhill Club membership?"),
                (
                    (
                        "You can leave at any time under Account, Club, Leave; it then ends with the month that is "
                        "paid, on {date}. The service you have booked in {city} still takes place. Is there something "
                        "that we could have done better?"
                    ),
                ),
                article="club",
            ),
            Turn(
                ("It is simply too expensive for how little I use it.", "No, all good, I am moving abroad."),
                (
                    (
                        "I understand, and thank you for telling me. I have noted the reason and confirmed the "
                        "cancellation; you will find it in your inbox in a minute."
                    ),
                ),
            ),
        ),
    ),
    Script(
        "complaint",
        (
            Turn(
                (
                    "This is the THIRD time I write about {order}. Nobody answers. I want my money back, now.",
                    "Honestly disappointed. {days} weeks for a {product} and not one message from you.",
                ),
                (
                    (
                        "You are right to be annoyed, {first}; that is too long and too quiet. Here is what I see: "
                        "{order} was split, and the {product} left only on {date}. I have handed this to a colleague "
                        "with your whole history, and she will call you by tomorrow noon. Shall she use the number in "
                        "your account?"
                    ),
                    (
                        "I am sorry, {first}. I cannot promise the refund of {price} euros myself, but I have put your "
                        "case at the top of the list and asked for an answer today before six."
                    ),
                ),
                tool="get_order",
            ),
            Turn(
                ("Yes. And I will believe it when the phone rings.", "Fine. But this is your last chance."),
                ("Understood. The call is booked, and I will check tomorrow afternoon that it happened.",),
            ),
        ),
    ),
    Script(
        "stock",
        (
            Turn(
                (
                    "Is the {product} in size {size} available in {city}?",
                    "When will the {product} be back in stock? Size {size} please.",
                ),
                (
                    (
                        "There are {days} of the {product} in size {size} in the warehouse, and one in {city}. I can "
                        "hold the one in the shop until tomorrow evening; just say yes."
                    ),
                    (
                        "Size {size} of the {product} is sold out right now. The next ones arrive around {date}. I can "
                        "write to you the moment they are counted in."
                    ),
                ),
                tool="check_stock",
            ),
        ),
    ),
)

THANKS: Final = (
    "Exactly what I needed.",
    "Quick and friendly.",
    "Solved in two minutes, great!",
    "Finally an answer that is one.",
    "Felt like talking to someone from the workshop.",
)
COMPLAINTS: Final = (
    "It did not answer my question.",
    "Took ages to reply.",
    "Wrong carrier, and the date makes no sense.",
    "I asked for a person three times.",
    "Promised a call that never came.",
)
SLOW_COMPLAINTS: Final = ("Took ages to reply.", "I sat there for half a minute each time.", "Why is it so slow now?")
