"""Documents whose signature is good: every form of the profile, the odd ways to write them, and the limits at which they
are still read."""

from documents import (ATTACHMENT, C14N, C14N_11, DS, ENVELOPED, EXCLUSIVE, HOLE, METHODS, OPEN, PACKET, Reference, edit,
                       transform)

WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
# Namespaces that nobody uses, out of order, and an xml: attribute for the parts to inherit.
RICH = (
    '<packet xml:lang="vi" xmlns:z="urn:z" xmlns="urn:example:packet" xmlns:a="urn:a"><envelope Id="envelope" z:n="2" a:n="1">'
    '<header xmlns:a="urn:a2"><a:from>H55</a:from><plain xmlns="">x</plain><amount>1000</amount></header></envelope>'
    f"{ATTACHMENT}{HOLE}</packet>"
)


def parts(*ids, **more):
    return [Reference(f"#{name}", **more) for name in ids]


def whole(sign):
    """URI="", one algorithm after the other."""
    yield "whole-c14n", "valid", "ec.crt", sign(), "enveloped, Canonical XML 1.0, ECDSA P-256"
    yield "whole-rsa", "valid", "rsa.crt", sign(key="rsa", method="rsa-sha256"), "enveloped, RSA PKCS #1 v1.5 with SHA-256"
    for method, digest in [("rsa-sha384", "sha384"), ("rsa-sha512", "sha512"), ("pss-sha256", "sha256"), ("pss-sha384", "sha384"),
                           ("pss-sha512", "sha512")]:
        text = sign(references=[Reference(digest=digest)], key="rsa", method=method)
        yield f"whole-{method}", "valid", "rsa.crt", text, f"{method}, digest {digest}"
    for key, method, digest in [("ec384", "ecdsa-sha384", "sha384"), ("ec521", "ecdsa-sha512", "sha512"),
                                ("ec", "ecdsa-sha384", "sha256"), ("ec384", "ecdsa-sha256", "sha512")]:
        text = sign(references=[Reference(digest=digest)], key=key, method=method)
        yield f"whole-{key}-{method}", "valid", f"{key}.crt", text, f"{method} on the curve of {key}, digest {digest}"
    yield "whole-no-c14n", "valid", "ec.crt", sign(references=[Reference(c14n=None)]), "enveloped alone: Canonical XML 1.0 is implied"
    yield "purpose-documents", "valid", "documents.crt", sign(key="documents"), "extendedKeyUsage documentSigning"
    yield "no-key-info", "valid", "ec.crt", sign(key_info=""), "no KeyInfo: the pinned certificate"
    text = sign(RICH, [Reference(c14n=EXCLUSIVE)], c14n=EXCLUSIVE)
    yield "whole-exclusive", "valid", "ec.crt", text, "exclusive C14N of document and SignedInfo, unused namespaces"
    text = sign(RICH, [Reference(c14n=EXCLUSIVE, prefixes="z #default nowhere xml")], c14n=EXCLUSIVE, prefixes="a")
    yield "whole-prefix-list", "valid", "ec.crt", text, "PrefixList with #default, xml and a prefix that is not declared"
    text = sign(RICH, [Reference(c14n=EXCLUSIVE, prefixes="")], c14n=EXCLUSIVE, prefixes="")
    yield "whole-prefix-list-empty", "valid", "ec.crt", text, "an empty PrefixList"
    yield "whole-rich", "valid", "ec.crt", sign(RICH), "Canonical XML 1.0 of the same: SignedInfo inherits xml:lang and namespaces"
    text = sign(RICH, [Reference(c14n=C14N_11)], c14n=C14N_11)
    yield "whole-c14n11", "valid", "ec.crt", text, "Canonical XML 1.1"
    for name, c14n in [("inclusive", C14N), ("exclusive", EXCLUSIVE)]:
        text = sign(RICH, [Reference(c14n=c14n, comments=True)], c14n=c14n, comments=True, remark="<!-- signed -->")
        yield f"comments-{name}", "valid", "ec.crt", text, "#WithComments with a comment in SignedInfo; none in a same-document Reference"
    text = sign(RICH, [Reference()], remark="<!-- not signed -->")
    yield "comment-in-signed-info", "valid", "ec.crt", text, "a comment in SignedInfo, canonicalised without comments"
    text = edit(PACKET, f"</header></envelope>{ATTACHMENT}{HOLE}", f"{HOLE}</header></envelope>{ATTACHMENT}")
    yield "in-header", "valid", "ec.crt", sign(text), "the Signature in the header"


def by_parts(sign):
    """#Id References that cover every part."""
    yield "parts", "valid", "ec.crt", sign(references=parts("envelope", "a1")), "two parts, Canonical XML 1.0"
    text = sign(RICH, parts("envelope", "a1"))
    yield "parts-rich", "valid", "ec.crt", text, "apex subsets: namespaces and xml:lang of the root are inherited"
    text = sign(RICH, parts("envelope", "a1", c14n=EXCLUSIVE), c14n=EXCLUSIVE)
    yield "parts-exclusive", "valid", "ec.crt", text, "the same, exclusive: nothing is inherited"
    text = sign(RICH, [Reference("#envelope", c14n=EXCLUSIVE, prefixes="z"), Reference("#a1", c14n=EXCLUSIVE, prefixes="#default a")])
    yield "parts-prefix-lists", "valid", "ec.crt", text, "each part with a PrefixList of its own"
    text = sign(references=parts("envelope", "a1", c14n=None))
    yield "parts-no-transforms", "valid", "ec.crt", text, "no Transforms: Canonical XML 1.0 is implied"
    text = edit(RICH, 'xml:lang="vi"', 'xml:lang="vi" xml:id="whole"')
    yield "parts-c14n11", "valid", "ec.crt", sign(text, parts("envelope", "a1", c14n=C14N_11)), "Canonical XML 1.1: xml:id is not inherited"
    yield "parts-xml-id-inherited", "valid", "ec.crt", sign(text, parts("envelope", "a1")), "Canonical XML 1.0: it is"
    yield "parts-and-whole", "valid", "ec.crt", sign(references=[Reference(), *parts("a1")]), "the document, and a part once more"
    yield "parts-sha512", "valid", "ec.crt", sign(references=[Reference("#envelope", digest="sha512"), Reference("#a1")]), "two digests"
    kinds = {"ID": "ID", "id": "id", "xml-id": "xml:id", "wsu-Id": "wsu:Id"}
    for name, attribute in kinds.items():
        text = edit(PACKET, 'envelope Id=', f"envelope {attribute}=")
        text = edit(text, OPEN, f'{OPEN[:-1]} xmlns:wsu="{WSU}">') if name == "wsu-Id" else text
        yield f"parts-{name}", "valid", "ec.crt", sign(text, parts("envelope", "a1")), f"the id is an attribute {attribute}"
    text = edit(PACKET, f"</header></envelope>{ATTACHMENT}{HOLE}", f"{HOLE}</header></envelope>{ATTACHMENT}")
    text = sign(text, [Reference("#envelope", enveloped=True), Reference("#a1")])
    yield "parts-around", "valid", "ec.crt", text, "the Signature lies in one of the parts, which is enveloped"
    many = "".join(ATTACHMENT.replace("a1", f"a{at}") for at in range(1, 8))
    text = sign(edit(PACKET, ATTACHMENT, many), parts("envelope", *(f"a{at}" for at in range(1, 8))))
    yield "parts-8", "valid", "ec.crt", text, "eight References: the limit"


def unnamed(sign):
    """The same signer, naming no certificate: the pinned one is meant. It makes the vectors smaller."""
    return lambda *given, **more: sign(*given, **{"key_info": "", **more})


def legacy(sign):
    """SHA-1 in one place or the other: refused unless the sender may."""
    yield "sha1-rsa", "legacy", "rsa.crt", sign(references=[Reference(digest="sha1")], key="rsa", method="rsa-sha1"), "RSA-SHA1"
    yield "sha1-pss", "legacy", "rsa.crt", sign(key="rsa", method="pss-sha1"), "PSS with SHA-1"
    yield "sha1-ecdsa", "legacy", "ec.crt", sign(method="ecdsa-sha1"), "ECDSA with SHA-1"
    yield "sha1-digest", "legacy", "ec.crt", sign(references=[Reference(digest="sha1")]), "SHA-1 in a Reference only"


def odd(sign):
    """The same document, written in other ways."""
    good = sign()
    yield "bom", "valid", "ec.crt", "\ufeff" + '<?xml version="1.0" encoding="UTF-8"?>\n' + good, "byte order mark and XML declaration"
    sign = unnamed(sign)
    messy = (
        "<?xml version='1.0'?>\r\n<!-- a --><?one a  b?>\r\n<packet  xmlns:b='urn:b'\r\n xmlns=\"urn:example:packet\">\r\n"
        "<envelope b:z='&#9;&lt;&quot;' a='x\ty\r\nz' Id='envelope'><header><amount>10<!-- cut -->00</amount>"
        "<t><![CDATA[<&>\r\n]]>&#13;&amp;&#x41;</t><e/></header></envelope>\r\n" + ATTACHMENT + HOLE + "</packet>\r\n<?two?><!-- b -->\r\n"
    )
    yield "messy", "valid", "ec.crt", sign(messy), "CRLF, CDATA, references, quotes, order of attributes, comments and PIs around the root"
    text = sign(messy, parts("envelope", "a1", c14n=EXCLUSIVE), c14n=EXCLUSIVE)
    yield "messy-parts", "valid", "ec.crt", text, "the same by parts"
    text = edit(good, "<amount>1000", "<amount>1<!-- -->000")
    yield "comment-splits-value", "valid", "ec.crt", text, "a comment put in after signing: the digest holds, the reader must see 1000"
    value = good[good.index("<ds:SignatureValue>") + 19:good.index("</ds:SignatureValue>")]
    folded = "\r\n".join(value[at:at + 40] for at in range(0, len(value), 40))
    yield "folded-value", "valid", "ec.crt", edit(good, value, f"\r\n {folded}\t"), "white space in SignatureValue"
    lines = edit(edit(good, "><ds:KeyInfo>", ">\n  <ds:KeyInfo>\n  "), "</ds:X509Data>", "</ds:X509Data>\n")
    yield "folded-key-info", "valid", "ec.crt", lines, "white space between the parts of the Signature"
    depth = "<e>" * 125 + "</e>" * 125
    text = sign(edit(PACKET, "<amount>", f"{depth}<amount>"))
    yield "limit-depth", "valid", "ec.crt", text, "128 elements deep"
    attributes = "".join(f' a{at}=""' for at in range(255))
    text = sign(edit(PACKET, "<amount>", f"<amount{attributes} z=\"\">"))
    yield "limit-attributes", "valid", "ec.crt", text, "256 attributes"
    many = "".join(f' xmlns:n{at}="urn:{at}"' for at in range(62))
    text = sign(edit(PACKET, OPEN, f"{OPEN[:-1]}{many}>"))
    yield "limit-namespaces", "valid", "ec.crt", text, "64 namespace declarations in scope, that of the Signature included"


def malleable(sign, authority):
    """n - s is as good as s: a SignatureValue is no name for a document."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

    def other(octets):
        r, s = authority.sign_ecdsa("ec", "sha256", octets)
        return r.to_bytes(32, "big") + (order - s).to_bytes(32, "big")

    yield "ecdsa-other-s", "valid", "ec.crt", sign(make_value=other), "n - s instead of s"


def short_halves(sign, authority):
    """Some Java versions write r and s of P-521 with 65 bytes each when both fit."""

    def value(octets):
        while True:
            r, s = authority.sign_ecdsa("ec521", "sha512", octets)
            if max(r, s) < 1 << 520:
                return r.to_bytes(65, "big") + s.to_bytes(65, "big")

    text = sign(key="ec521", method="ecdsa-sha512", make_value=value)
    yield "ecdsa-p521-65", "valid", "ec521.crt", text, "r and s of P-521 in 65 bytes each"


def vectors(sign, authority):
    """(name, verdict, pin, document, what it exercises) of packets."""
    yield from whole(sign)
    yield from by_parts(unnamed(sign))
    yield from legacy(sign)
    yield from odd(sign)
    yield from malleable(sign, authority)
    yield from short_halves(sign, authority)


def free(sign):
    """Documents of any kind, every Signature of which is judged with a key: enveloping, detached, several."""
    signer, sign = sign.__self__, unnamed(sign)
    body = '<ds:Object Id="o"><web>1000</web></ds:Object>'
    alone = [Reference("#o", c14n=None)]
    yield "enveloping", "valid", "ec.pub", sign(HOLE, alone, tail=body), "an Object is signed, no Transforms"
    text = sign(f'<x xmlns="urn:x" xmlns:y="urn:y" xml:lang="vi">{HOLE}</x>', [Reference("#o")], tail=body)
    yield "enveloping-inside", "valid", "ec.pub", text, "the same inside a document: what the Object inherits is signed"
    two = body + '<ds:Object Id="p" MimeType="text/plain" Encoding="">a</ds:Object>'
    text = sign(HOLE, [Reference("#o", c14n=EXCLUSIVE), Reference("#p", attributes=f' Type="{DS}Object" Id="r"')], tail=two, attributes=' Id="s"')
    yield "enveloping-two", "valid", "ec.pub", text, "two Objects, attributes that mean nothing"
    inner = '<ds:Object><web Id="o">1000</web></ds:Object>'
    yield "enveloping-child", "valid", "ec.pub", sign(HOLE, alone, tail=inner), "what stands in the Object is signed, not the Object"
    manifest = '<ds:Object><ds:Manifest Id="o"></ds:Manifest></ds:Object>'
    text = sign(HOLE, [Reference("#o", attributes=f' Type="{DS}Manifest"')], tail=manifest)
    yield "enveloping-manifest", "valid", "ec.pub", text, "a Manifest is signed like anything else; what it refers to is not covered"
    info = signer.key_info("ec").replace("<ds:KeyInfo>", '<ds:KeyInfo Id="k">')
    text = sign(f"<x>{HOLE}</x>", [Reference(), Reference("#k")], key_info=info)
    yield "key-info-signed", "valid", "ec.pub", text, "the document and the Signature's own KeyInfo"
    security = f'<m xmlns:wsu="{WSU}"><head><security><stamp wsu:Id="t">1</stamp>{HOLE}</security></head><body wsu:Id="b">1000</body></m>'
    text = sign(security, parts("b", "t", c14n=EXCLUSIVE, prefixes=""), c14n=EXCLUSIVE, prefixes="wsu")
    yield "message", "valid", "ec.pub", text, "a body and a time stamp, signed from the header as WS-Security does"
    text = sign(f'<x><item ID="o">1000</item>{HOLE}</x>', alone)
    yield "detached", "valid", "ec.pub", text, "a sibling of the Signature"
    text = sign(f'<x AssertionID="o"><item>1000</item>{HOLE}</x>', [Reference("#o", enveloped=True, c14n=EXCLUSIVE)], c14n=EXCLUSIVE)
    yield "assertion", "valid", "ec.pub", text, "the root by its id, enveloped"
    inside = sign(f'<x Id="x"><item Id="i"><a>1000</a>@INNER@</item>{HOLE}</x>', [Reference("#i", enveloped=True)], hole="@INNER@")
    text = sign(inside, [Reference("#x", enveloped=True)], key="ec")
    yield "nested", "valid", "ec.pub", text, "two Signatures: the outer one covers the inner one"
    pair = [Reference("#i", enveloped=True, c14n=EXCLUSIVE), Reference("#j", enveloped=True, c14n=EXCLUSIVE)]
    text = sign(f'<x Id="x"><item Id="i"><a>1</a>@INNER@</item><item Id="j"><a>2</a></item>{HOLE}</x>', pair, hole="@INNER@")
    text = sign(text, [Reference("#x", enveloped=True)])
    yield "nested-siblings", "valid", "ec.pub", text, "the inner one covers two items, one around it and one beside it"
    yield "rsa-1024", "valid", "weak.pub", sign(f"<x>{HOLE}</x>", key="weak", method="rsa-sha256"), "whoever pins a short key gets what they asked for"
    yield "sha1", "legacy", "ec.pub", sign(f"<x>{HOLE}</x>", method="ecdsa-sha1"), "ECDSA with SHA-1"
    foreign = '<ds:KeyInfo Id="k"><w:Token xmlns:w="urn:w"><w:Hint URI="#t" Kind="1">a</w:Hint></w:Token></ds:KeyInfo>'
    yield "key-info-foreign", "valid", "ec.pub", sign(f"<x>{HOLE}</x>", key_info=foreign), "KeyInfo is not read when the key is given"
    text = sign(f"<x>{HOLE}</x>", [Reference(transforms=[transform(ENVELOPED), transform(C14N), transform(EXCLUSIVE)])])
    yield "two-c14n", "unusable reference", "ec.pub", text, "two canonicalisations"
    text = sign(f"<x>{HOLE}</x>", method_uri=METHODS["ecdsa-sha256"][0].replace("ecdsa-sha256", "ecdsa-sha224"))
    yield "unknown-method", "unusable algorithm", "ec.pub", text, "a SignatureMethod outside the profile"
