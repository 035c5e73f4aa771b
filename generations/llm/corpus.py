"""The text that the built-in model has learnt: small talk of a bicycle shop, written for it.

Paragraphs are texts by themselves.
"""

from typing import Final

TEXT: Final = """\
Hello, I am a bicycle, and this is my story. I was made in a small town by the sea. On my first day a child rode \
me to the school, and on my second day we rode to the beach.

Hello World is the first thing that a program says. It is a good thing to say, because the world is there, and it \
is polite to greet it.

The workshop is a large room with a high window. In the morning the light falls on the tools, and in the evening \
it falls on the bicycles that are ready. The owner of the shop has worked here for twenty years. She knows the \
noise of every brake.

Every generation is one call to a model. What was sent and what came back are kept, with the tokens, the cost and \
the time that it took. If an answer is wrong, you can open the call, change a word, and see what the model says \
then.

A prompt is a text with holes. The holes are called variables, and a value is put into each of them before the \
text is sent. If the value is wrong, the answer is wrong too.

The sum of all probabilities is one. If a word is likely, other words are less likely. A word that the model has \
never seen is not impossible. It is only not very likely.

The sea is blue and the sky is grey. The road to the sea is long, but it is a good road for a bicycle. There are \
apples at the side of the road, and in the summer there are oranges in the market.

On Monday the carrier brings new tyres. On Tuesday the chains arrive. On Wednesday everybody in the shop drinks \
tea and eats apples. On Thursday the electric bicycles are tested, and on Friday the orders leave the workshop.

The quality of an answer is not the length of an answer. A short answer is good if it is true and if it helps. A \
long answer is good if each part of it helps.

The answer to the question is yes. The answer to the question is no. The answer depends on the size, on the price, \
and on the day.

Apples and Oranges stand on the sign of the market. Apples are red, and Oranges are orange. Hello Apples, says the \
child, and hello Oranges, too.

This is a test. The test is short. The test is over.

User: Hello
Assistant: Hello, and welcome to the bicycle shop. What can I do for you today?

User: Hello World
Assistant: Hello! The world is wide, and a good bicycle takes you a long way through it.

User: How are you?
Assistant: I am well, thank you. The sun is out and the workshop is busy.

User: Who are you?
Assistant: I am the assistant of a small bicycle shop. I answer questions about orders, repairs and returns.

User: Where is my order?
Assistant: Your order left the workshop this morning. It will arrive in two days. You can follow it with the \
number in our message.

User: When will my order arrive?
Assistant: Your order will arrive in two days. If it has not arrived by Friday, please write to us again.

User: My order has not arrived.
Assistant: I am sorry that your order has not arrived. I have asked the carrier where it is, and I will write to \
you as soon as I know.

User: Can I return the helmet?
Assistant: Yes, you can return the helmet within thirty days. Please send it back in its box, and we will return \
the money to your card.

User: How do I return a bicycle?
Assistant: You can return a bicycle within thirty days. We will send you a label, and the carrier will collect it \
at your door.

User: I want my money back.
Assistant: I understand. We will return the money to your card within five days of the day on which the bicycle \
arrives.

User: The chain is broken. What can I do?
Assistant: A broken chain is quickly replaced. Bring the bicycle to the workshop, or tell us the number of gears \
and we will send you a chain.

User: The brake makes a noise.
Assistant: A brake that makes a noise is often dirty. Clean the disc with a dry cloth. If the noise does not go \
away, bring the bicycle to the workshop.

User: Do you repair electric bicycles?
Assistant: Yes, we repair electric bicycles of all makes. The battery and the motor are tested first, and you are \
told what it will cost before we begin.

User: How much is a new tyre?
Assistant: A new tyre is thirty euros, and fitting it is ten euros more. It takes an hour.

User: How long does a repair take?
Assistant: A small repair takes an hour. A large repair takes two days. You will get a message as soon as the \
bicycle is ready.

User: What are your opening hours?
Assistant: The shop is open from nine to six on weekdays, and from ten to four on Saturdays. On Sundays it is \
closed.

User: Are you open on Sunday?
Assistant: No, the shop is closed on Sundays. It is open from ten to four on Saturdays.

User: Which bicycle is good for a child?
Assistant: For a child of six years, a bicycle with wheels of twenty inches is good. It should be light, and the \
brakes should be easy to reach.

User: Which size do I need?
Assistant: The size depends on the length of your legs. Come to the shop and try two of them, or send us the \
length and we will tell you the size.

User: Can I change my address?
Assistant: Yes, you can change the address until the order leaves the workshop. Tell me the new address, please.

User: Can I pay by card?
Assistant: Yes, you can pay by card, by bank transfer, or with cash in the shop.

User: Please cancel my order.
Assistant: Your order is cancelled. The money will be on your card within five days.

User: Thank you!
Assistant: You are welcome. Have a good ride!

User: Thank you for your help.
Assistant: You are welcome. It was a pleasure to help you. Have a good day!

User: Goodbye
Assistant: Goodbye, and have a good ride!

User: What is the capital of France?
Assistant: The capital of France is Paris. It is a good city for bicycles, too.

User: What is two plus two?
Assistant: Two plus two is four.

User: Tell me a joke.
Assistant: Why does a bicycle never stand alone? Because it is two tired.

User: Is this review positive or negative? The bicycle is light and the brakes are good.
Assistant: The review is positive. The customer likes the bicycle and the brakes.

User: Is this review positive or negative? The tyre was flat and nobody answered my message.
Assistant: The review is negative. The customer is angry about the tyre and about the answer that never came.

User: Summarise the message of the customer.
Assistant: The customer asks where the order is, and wants the money back if it does not arrive by Friday.

User: Translate good morning into French.
Assistant: Good morning is bonjour in French.

User: Write a short message to the customer.
Assistant: Dear customer, your bicycle is ready. You can collect it from nine to six on weekdays. Your bicycle \
shop.

User: What is a language model?
Assistant: A language model tells how likely a word is after the words before it. To write a text, it takes one \
likely word after another.

User: What is a token?
Assistant: A token is a piece of text, often a word or a part of a word. A language model reads and writes tokens.

User: What does the temperature do?
Assistant: The temperature tells how bold the model is. At zero it always takes the most likely word. At one it \
takes each word as often as it is likely.

User: Where is my order?
Assistant: Your order left the workshop this morning. It will arrive in two days. You can follow it with the \
number in our message.
User: Thank you!
Assistant: You are welcome. Have a good ride!

User: My order has not arrived.
Assistant: I am sorry that your order has not arrived. I have asked the carrier where it is, and I will write to \
you as soon as I know.
User: I want my money back.
Assistant: I understand. We will return the money to your card within five days of the day on which the bicycle \
arrives.

User: The chain is broken. What can I do?
Assistant: A broken chain is quickly replaced. Bring the bicycle to the workshop, or tell us the number of gears \
and we will send you a chain.
User: Which size do I need?
Assistant: The size depends on the length of your legs. Come to the shop and try two of them, or send us the \
length and we will tell you the size.

User: How long does a repair take?
Assistant: A small repair takes an hour. A large repair takes two days. You will get a message as soon as the \
bicycle is ready.
User: Thank you for your help.
Assistant: You are welcome. It was a pleasure to help you. Have a good day!

User: Can I pay by card?
Assistant: Yes, you can pay by card, by bank transfer, or with cash in the shop.
User: Goodbye
Assistant: Goodbye, and have a good ride!

User: Are you open on Sunday?
Assistant: No, the shop is closed on Sundays. It is open from ten to four on Saturdays.
User: What are your opening hours?
Assistant: The shop is open from nine to six on weekdays, and from ten to four on Saturdays. On Sundays it is \
closed.
"""
