"""The same customers' questions in other languages, several of them in scripts other than Latin."""

from __future__ import annotations

from typing import Final

from generations.demo.conversations import Script, Turn

OTHERS: Final = (
    Script(
        "delivery",
        (
            Turn(
                ("你好，我的订单 {order} 已经过了 {date} 还没有送到，能帮我查一下吗？",),
                (
                    (
                        "您好，{first}！我查到订单 {order} 的包裹目前由 {carrier} 运送，最近一次扫描在{city}。"
                        "预计还需要 {days} 个工作日送达。如果到时仍未收到，请直接在这里告诉我，我会马上联系承运商查找。"
                    ),
                ),
                tool="track_parcel",
                article="shipping",
            ),
            Turn(("好的，谢谢你！🙏",), ("不客气，祝您骑行愉快！🚴",)),
        ),
        locale="zh",
    ),
    Script(
        "sizing",
        (
            Turn(
                ("身高178厘米，内侧腿长83厘米，Larch 3 应该选 54 还是 56？",),
                (
                    (
                        "您正好在两个尺码之间。如果经常长途骑行，建议选 56，手部压力更小、更稳定；"
                        "如果喜欢灵活的操控，可以选 54。30 天内我们可以免费为您更换一次把立。"
                    ),
                ),
                article="sizing",
            ),
        ),
        locale="zh",
    ),
    Script(
        "sizing",
        (
            Turn(
                ("ヘルメットのサイズで迷っています。頭囲は58センチですが、Tarn はどれを選べばいいですか？",),
                (
                    (
                        "{first}様、お問い合わせありがとうございます。頭囲58センチでしたら「55-59」サイズをおすすめします。"
                        "眉の上2センチの位置で、もう一度測ってみてください。冬に薄手の帽子を中にかぶる場合は、"
                        "ひとつ上のサイズの方が快適です。未使用でしたら30日以内は交換できます。"
                    ),
                ),
                article="sizing",
            ),
            Turn(
                ("ありがとうございます。在庫はありますか？",),
                ("はい、「55-59」は現在{days}点ございます。本日14時までのご注文で当日発送いたします。",),
                tool="check_stock",
            ),
        ),
        locale="ja",
    ),
    Script(
        "return",
        (
            Turn(
                ("مرحبًا، المقاس {size} صغير جدًا. كيف أعيد الطلب {order}؟",),
                (
                    (
                        "أهلًا {first}، لا مشكلة. أنشأتُ ملصق إرجاع للطلب {order} وأرسلته إلى بريدك الإلكتروني. ضع "
                        "المنتج في عبوته الأصلية وسلّمه إلى أقرب فرع من {carrier} قبل {date}. يعود إليك المبلغ، "
                        "{price} يورو، خلال خمسة أيام عمل من وصوله إلينا."
                    ),
                ),
                tool="create_return",
                article="returns",
            ),
            Turn(
                ("هل يمكنني استبداله بمقاس أكبر؟",),
                ("نعم، يتوفر لدينا {days} قطع من المقاس الأكبر، وقد حجزتُ لك واحدة حتى نستلم المرتجع.",),
                tool="check_stock",
            ),
        ),
        locale="ar",
    ),
    Script(
        "delivery",
        (
            Turn(
                ("नमस्ते, मेरा ऑर्डर {order} अभी तक नहीं पहुँचा है। कृपया बताइए वह कहाँ है?",),
                (
                    (
                        "नमस्ते {first} जी, मैंने ऑर्डर {order} की जाँच की है। आपका पार्सल {carrier} के पास है और "
                        "आख़िरी बार {city} में स्कैन हुआ था। इसके {days} कार्य दिवसों में पहुँचने की उम्मीद है। अगर तब "
                        "तक न पहुँचे, तो यहीं लिखिए, मैं तुरंत खोज शुरू करवा दूँगी।"
                    ),
                ),
                tool="track_parcel",
                article="shipping",
            ),
        ),
        locale="hi",
    ),
    Script(
        "warranty",
        (
            Turn(
                ("Mein {product} knackt seit dem letzten Regen. Ist das ein Garantiefall?",),
                (
                    (
                        "Hallo {first}, das sollte nicht sein, und es liegt innerhalb der zwei Jahre. Bitte fahren Sie "
                        "nicht weiter, falls sich etwas lose anfühlt. Ich brauche ein Foto des Teils und einen Satz "
                        "dazu, seit wann es knackt. Die meisten Fälle sind nach zwei Tagen entschieden."
                    ),
                ),
                article="warranty",
            ),
            Turn(
                ("Das Foto kommt heute Abend. Danke!",),
                ("Sehr gern. Ich habe den Fall schon mit dem heutigen Datum angelegt.",),
            ),
        ),
        locale="de",
    ),
    Script(
        "invoice",
        (
            Turn(
                ("Bonjour, où se trouve la facture de la commande {order} ?",),
                (
                    (
                        "Bonjour {first}, la facture de {price} euros se trouve dans votre compte, rubrique Commandes, "
                        "et dans le courriel du {date}. S'il y faut le nom de votre société, répondez-moi avec le "
                        "numéro de TVA : ce mois-ci, nous pouvons encore la refaire."
                    ),
                ),
                tool="get_order",
                article="invoices",
            ),
        ),
        locale="fr",
    ),
    Script(
        "club",
        (
            Turn(
                ("Hola, ¿cómo me doy de baja del Club? 😅",),
                (
                    (
                        "Hola, {first}. Puedes darte de baja cuando quieras en Cuenta, Club, Salir; termina con el mes "
                        "ya pagado, el {date}. La revisión que reservaste en {city} se hace igualmente. ¿Hay algo que "
                        "podríamos haber hecho mejor?"
                    ),
                ),
                article="club",
            ),
        ),
        locale="es",
    ),
)
