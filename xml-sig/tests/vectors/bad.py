"""Documents that must be refused. Where the cryptography can be made good it is: then nothing but the rule in question
stands between the document and whoever believes it."""

import base64
import hashlib
import hmac

from documents import (ATTACHMENT, C14N, DS, ENVELOPE, ENVELOPED, EXCLUSIVE, HOLE, MORE, OPEN, PACKET, Reference, algorithm, between,
                       edit, transform)
from good import parts, unnamed

XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
FILTER2 = "http://www.w3.org/2002/06/xmldsig-filter2"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
BASE64 = DS + "base64"


def changed(sign, authority):
    """Something was changed after signing, or somebody else signed."""
    good = sign()
    yield "content-changed", "invalid digest", "ec.crt", edit(good, "<amount>1000", "<amount>9000"), "a value of the header"
    text = edit(good, "BvIQ==", "BvIR==")
    yield "attachment-bit", "invalid digest", "ec.crt", text, "other base64 of the same bytes"
    text = edit(good, f'ds:Transform Algorithm="{C14N}"', f'ds:Transform Algorithm="{EXCLUSIVE}"')
    yield "signed-info-changed", "invalid signature-value", "ec.crt", text, "an attribute of SignedInfo"
    text = edit(good, "sha256\"></ds:DigestMethod>", "sha256\" ></ds:DigestMethod>\n")
    yield "signed-info-space", "invalid signature-value", "ec.crt", text, "white space put into SignedInfo"
    yield "reformatted", "invalid digest", "ec.crt", edit(good, "<header>", "\n  <header>"), "white space put into the content"
    yield "pi-added", "invalid digest", "ec.crt", edit(good, "<header>", "<header><?p?>"), "an instruction put into the content"
    yield "pi-behind", "invalid digest", "ec.crt", good + "<?p?>", "an instruction behind the root: URI=\"\" covers it"
    yield "unsigned", "absent", "ec.crt", PACKET.replace(HOLE, ""), "no Signature"
    yield "attacker", "invalid foreign-signer", "ec.crt", sign(key="attacker"), "another key under the peer's name, self-signed"
    text = sign(key="attacker", key_info=sign.__self__.key_info("ec"))
    yield "attacker-peer-certificate", "invalid signature-value", "ec.crt", text, "the attacker's value, the peer's certificate"
    text = sign(key="rsa", method="rsa-sha256", key_info=sign.__self__.key_value("rsa"))
    yield "key-value", "invalid", "ec.crt", text, "KeyValue as the only key"
    yield "other-organisation", "invalid foreign-signer", "ec.crt", sign(key="other"), "a good key, but of another organisation"
    value = between(good, "<ds:SignatureValue>", "</ds:SignatureValue>")
    yield "value-empty", "invalid signature-value", "ec.crt", edit(good, value, "<ds:SignatureValue></ds:SignatureValue>"), "no SignatureValue"
    text = edit(good, "</ds:SignatureValue>", "!</ds:SignatureValue>")
    yield "value-junk", "invalid signature-value", "ec.crt", text, "junk behind the base64"
    digest = between(good, "<ds:DigestValue>", "</ds:DigestValue>")
    comment = edit(edit(good, "1000", "9000"), digest, edit(digest, "Value>", "Value><!--AAAA-->"))
    yield "digest-comment", "invalid structure", "ec.crt", comment, "a comment in DigestValue"
    text = edit(good, "<ds:SignatureValue>", "<ds:SignatureValue><!---->")
    yield "value-comment", "invalid structure", "ec.crt", text, "a comment in SignatureValue"
    text = edit(good, "<ds:SignatureValue>", "<ds:SignatureValue><b/>")
    yield "value-element", "invalid structure", "ec.crt", text, "an element in SignatureValue"
    text = edit(good, "<ds:DigestValue>", "<ds:DigestValue><b/>")
    yield "digest-element", "invalid structure", "ec.crt", text, "an element in DigestValue"


def misbuilt(sign):
    """The Signature element itself."""
    good = sign()
    yield "no-reference", "invalid structure", "ec.crt", sign(references=[]), "SignedInfo without a Reference"
    signature = between(good, "<ds:Signature ", "</ds:Signature>")
    yield "two-signatures", "invalid duplicate", "ec.crt", edit(good, signature, signature * 2), "the Signature twice"
    value = between(good, "<ds:SignatureValue>", "</ds:SignatureValue>")
    yield "two-values", "invalid structure", "ec.crt", edit(good, value, value * 2), "two SignatureValue"
    info = between(good, "<ds:SignedInfo>", "</ds:SignedInfo>")
    forged = edit(edit(good, "1000", "9000"), info, info * 2)
    yield "two-signed-info", "invalid structure", "ec.crt", forged, "two SignedInfo"
    text = edit(good, info, f"<ds:Object>{info}</ds:Object>{info}")
    yield "signed-info-in-object", "invalid structure", "ec.crt", text, "SignedInfo in an Object before another one"
    text = sign(tail="<ds:Object>9000</ds:Object>")
    yield "object-unsigned", "unusable object", "ec.crt", text, "an Object that URI=\"\" does not cover"
    text = edit(good, "</ds:KeyInfo>", "<extra>9000</extra></ds:KeyInfo>")
    yield "key-info-content", "invalid structure", "ec.crt", text, "an unknown element in KeyInfo"
    yield "signature-text", "invalid structure", "ec.crt", edit(good, "<ds:KeyInfo>", "9000<ds:KeyInfo>"), "text between the parts"
    yield "signature-pi", "invalid structure", "ec.crt", edit(good, "<ds:KeyInfo>", "<?p 9000?><ds:KeyInfo>"), "an instruction in it"
    text = edit(good, '<ds:Signature xmlns:ds="', '<ds:Signature xmlns:ds="urn:not:')
    yield "wrong-namespace", "unusable wrong-namespace", "ec.crt", text, "Signature of another namespace"
    text = edit(PACKET, f"{ATTACHMENT}{HOLE}", f"<extension>{HOLE}</extension>{ATTACHMENT}")
    yield "moved", "invalid position", "ec.crt", sign(text), "the Signature where none may be"


def wrapped(sign):
    """Signature wrapping: what is signed is there, and something else is read."""
    forged = edit(ENVELOPE, "1000", "9000")
    two = parts("envelope", "a1", c14n=EXCLUSIVE)
    path = "packet/envelope"

    def sign_parts(text, references=None, **more):
        return sign(text, references or two, c14n=EXCLUSIVE, **more)

    hidden = edit(ENVELOPE, "<envelope", '<envelope xmlns="urn:example:packet"')
    text = f"{OPEN}{edit(forged, ' Id=', ' was=')}{ATTACHMENT}{HOLE}</packet>"
    text = sign_parts(text, tail=f"<ds:Object>{hidden}</ds:Object>")
    yield "wrap-object", "invalid", "ec.crt", text, "the genuine part in an Object, a forged one in its place"
    first = [Reference("#envelope", c14n=EXCLUSIVE, apex=path), two[1]]
    text = sign_parts(f"{OPEN}{ENVELOPE}{forged}{ATTACHMENT}{HOLE}</packet>", first)
    yield "wrap-duplicate-last", "invalid", "ec.crt", text, "two elements of one id, the forged one last"
    text = sign_parts(f"{OPEN}{ENVELOPE}{ATTACHMENT}{HOLE}</packet>")
    yield "wrap-duplicate-first", "invalid", "ec.crt", edit(text, ENVELOPE, forged + ENVELOPE), "the forged one first"
    bare = edit(forged, ' Id="envelope"', "")
    text = sign_parts(f"{OPEN}{bare}<extension>{ENVELOPE}</extension>{ATTACHMENT}{HOLE}</packet>")
    yield "wrap-extension", "invalid coverage", "ec.crt", text, "the genuine part in an extension, a forged one in its place"
    text = sign_parts(f"{OPEN}{ENVELOPE}{bare}{ATTACHMENT}{HOLE}</packet>")
    yield "second-envelope", "invalid coverage", "ec.crt", text, "one more part of that name, unsigned"
    more = edit(ATTACHMENT, ' Id="a1"', "")
    text = sign_parts(f"{OPEN}{ENVELOPE}{ATTACHMENT}{more}{HOLE}</packet>")
    yield "second-attachment", "invalid coverage", "ec.crt", text, "one more attachment, unsigned"
    text = f"{OPEN}{bare}{edit(more, 'IQ==', 'Kg==')}<old>{sign()}</old></packet>"
    yield "wrap-document", "invalid position", "ec.crt", text, "a genuine signed packet in a forged one"
    genuine = between(sign(), "<ds:Signature ", "</ds:Signature>")
    text = f"{OPEN}{bare}{ATTACHMENT}{genuine}<old>{PACKET.replace(HOLE, '')}</old></packet>"
    yield "wrap-moved-out", "invalid digest", "ec.crt", text, "the same, its Signature moved to the forged root"
    yield "only-attachment", "invalid coverage", "ec.crt", sign(references=parts("a1")), "the header is not signed"
    yield "only-envelope", "invalid coverage", "ec.crt", sign(references=parts("envelope")), "the attachment is not signed"
    text = edit(PACKET, "<header>", '<header><inner Id="i">x</inner>')
    yield "only-inner", "invalid coverage", "ec.crt", sign(text, parts("i", "a1")), "a part of a part"
    text = sign(references=parts("o"), tail='<ds:Object Id="o">1000</ds:Object>')
    yield "only-object", "invalid", "ec.crt", text, "nothing but an Object is signed"
    manifest = ('<ds:Object><ds:Manifest Id="m"><ds:Reference URI="">' + algorithm("DigestMethod", "http://www.w3.org/2001/04/xmlenc#sha256")
                + "<ds:DigestValue>AAAA</ds:DigestValue></ds:Reference></ds:Manifest></ds:Object>")
    text = sign(references=[Reference("#m", attributes=f' Type="{DS}Manifest"')], tail=manifest)
    yield "only-manifest", "invalid", "ec.crt", text, "nothing but a Manifest is signed, with a wrong digest in it"
    yield "no-such-id", "invalid", "ec.crt", sign(references=[Reference("#b", apex=path), *parts("a1")]), "an id that nobody has"


def evasive(sign):
    """References and Transforms that do not sign what a reader sees."""
    digest = {"octets": b"x"}

    def reference(uri, transforms=(), **more):
        return sign(references=[Reference(uri, transforms=list(transforms), **{**digest, **more})])

    whole = [transform(ENVELOPED)]
    no_attachment = {"octets": None, "enveloped": True, "left_out": lambda e: e.name == "attachment"}
    for name, uri in [("http", "http://example.invalid/a.xml"), ("file", "file:///etc/hostname"), ("relative", "other.xml"),
                      ("none", None), ("xpointer", "#xpointer(/)"), ("xpointer-id", "#xpointer(id('envelope'))"), ("bare-hash", "#")]:
        yield f"uri-{name}", "invalid", "ec.crt", reference(uri), f"Reference with URI {uri}"
    expression = "<ds:XPath>not(ancestor-or-self::*[local-name()='attachment'])</ds:XPath>"
    text = reference("", [*whole, transform(XPATH, expression)], **no_attachment)
    yield "xpath", "invalid forbidden", "ec.crt", text, "XPath that leaves the attachment out"
    expression = f'<f:XPath xmlns:f="{FILTER2}" Filter="subtract">//*[local-name()=\'attachment\']</f:XPath>'
    text = reference("", [*whole, transform(FILTER2, expression)], **no_attachment)
    yield "filter2", "invalid forbidden", "ec.crt", text, "XPath filter that subtracts the attachment"
    sheet = '<s:stylesheet xmlns:s="http://www.w3.org/1999/XSL/Transform" version="1.0"><s:template match="/">x</s:template></s:stylesheet>'
    yield "xslt", "invalid forbidden", "ec.crt", reference("", [*whole, transform(XSLT, sheet)]), "XSLT to a constant"
    text = reference("#a1", [transform(BASE64)], octets="a.txtxin chào!!".encode())
    yield "base64", "invalid forbidden", "ec.crt", text, "base64: the decoded text alone"
    yield "transform-unknown", "unusable algorithm", "ec.crt", reference("", [*whole, transform("urn:unknown")]), "an unknown Transform"
    yield "transform-order", "unusable reference", "ec.crt", reference("", [transform(C14N), *whole]), "enveloped behind a canonicalisation"
    yield "transform-twice", "unusable reference", "ec.crt", reference("", [*whole, *whole], octets=None, enveloped=True), "enveloped twice"
    yield "transforms-many", "invalid limit", "ec.crt", reference("", [*whole, *[transform(C14N)] * 59]), "60 Transforms"
    yield "not-enveloped", "invalid", "ec.crt", reference("", [transform(C14N)]), "URI=\"\" without enveloped"
    text = sign(references=[Reference(), *parts(*["a1"] * 8)])
    yield "references-9", "invalid limit", "ec.crt", text, "nine References: one more than the limit"
    text = sign(references=[Reference("#envelope", enveloped=True), *parts("a1")])
    yield "enveloped-elsewhere", "invalid", "ec.crt", text, "enveloped, of a part that the Signature is not in"
    other = transform(EXCLUSIVE, f'<ec:Other xmlns:ec="{EXCLUSIVE}"></ec:Other>')
    text = sign(references=[Reference(c14n=EXCLUSIVE, transforms=[*whole, other])])
    yield "transform-parameter", "invalid", "ec.crt", text, "an unknown parameter of exclusive C14N"
    text = edit(PACKET, "<header>", '<header xmlns:r="relative">')
    yield "relative-namespace", "invalid relative-namespace", "ec.crt", sign(text), "a relative namespace URI: C14N must fail"


def keyed(sign, authority):
    """Algorithms, keys and certificates."""
    def hmac_value(octets):
        return hmac.new(authority.public_pem("ec"), octets, hashlib.sha256).digest()

    text = sign(method_uri=MORE + "hmac-sha256", make_value=hmac_value)
    yield "hmac", "invalid forbidden", "ec.crt", text, "HMAC keyed with the public key"
    length = "<ds:HMACOutputLength>8</ds:HMACOutputLength>"
    text = sign(method_uri=MORE + "hmac-sha256", method_content=length, make_value=lambda o: hmac_value(o)[:1])
    yield "hmac-short", "invalid forbidden", "ec.crt", text, "HMACOutputLength of 8 bits"
    text = sign(method_content=length)
    yield "hmac-length-elsewhere", "invalid forbidden", "ec.crt", text, "HMACOutputLength in ECDSA"
    text = sign(key="rsa", method_uri=MORE + "rsa-md5", make_value=lambda o: authority.sign("rsa", "md5", o))
    yield "rsa-md5", "invalid forbidden", "rsa.crt", text, "RSA with MD5"
    yield "digest-md5", "invalid forbidden", "ec.crt", sign(references=[Reference(digest="md5")]), "MD5 in a Reference"
    text = sign(references=[Reference(digest="urn:unknown")])
    yield "digest-unknown", "unusable algorithm", "ec.crt", text, "an unknown DigestMethod"
    yield "method-unknown", "unusable algorithm", "ec.crt", sign(method_uri="urn:unknown"), "an unknown SignatureMethod"
    text = edit(sign(), f'Method Algorithm="{C14N}"', 'Method Algorithm="urn:unknown"')
    yield "c14n-unknown", "unusable algorithm", "ec.crt", text, "an unknown CanonicalizationMethod"
    text = sign(key="rsa", method="rsa-sha256", method_uri=MORE + "ecdsa-sha256")
    yield "ecdsa-with-rsa", "invalid key-mismatch", "rsa.crt", text, "ECDSA said, RSA key and value"
    yield "rsa-with-ecdsa", "invalid key-mismatch", "ec.crt", sign(method_uri=MORE + "rsa-sha256"), "RSA said, ECDSA key and value"
    text = sign(key="rsa", method="rsa-sha256", method_uri="http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1")
    yield "pss-is-not-pkcs1", "invalid signature-value", "rsa.crt", text, "PSS said, PKCS #1 v1.5 done"
    yield "rsa-1024", "invalid weak-key", "weak.crt", sign(key="weak", method="rsa-sha256"), "RSA of 1024 bits"
    for name, why, said in [("expired", "expired", "has expired"), ("future", "not-yet-valid", "is not valid yet"),
                            ("revoked", "revoked", "was revoked"), ("encipher", "key-usage", "has keyUsage keyEncipherment only"),
                            ("server", "key-usage", "has extendedKeyUsage serverAuth only")]:
        yield f"certificate-{name}", f"invalid {why}", f"{name}.crt", sign(key=name), f"the signer's certificate {said}"
    yield "certificate-by-itself", "invalid untrusted", "attacker.crt", sign(key="attacker"), "pinned, but without a chain"
    zero = sign(make_value=lambda _: bytes(64))
    yield "ecdsa-zero", "invalid signature-value", "ec.crt", zero, "r = s = 0"
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    text = sign(make_value=lambda _: order.to_bytes(32, "big") * 2)
    yield "ecdsa-order", "invalid signature-value", "ec.crt", text, "r = s = n"
    text = sign(make_value=lambda o: authority.sign("ec", "sha256", o))
    yield "ecdsa-der", "invalid signature-value", "ec.crt", text, "r and s as DER"

    def padded(octets):
        r, s = authority.sign_ecdsa("ec", "sha256", octets)
        return r.to_bytes(33, "big") + s.to_bytes(33, "big")

    yield "ecdsa-padded", "invalid signature-value", "ec.crt", sign(make_value=padded), "r and s in 33 bytes each"
    text = sign(method="ecdsa-sha256", make_value=lambda o: base64.b64decode("AAAA"))
    yield "ecdsa-odd", "invalid signature-value", "ec.crt", text, "a value of three bytes"


def unreadable(sign):
    """No XML of the profile, in or around a document whose signature was good."""
    good = sign()

    def broken(old, new):
        return edit(good, old, new)

    doctype = "<!DOCTYPE packet {}>"
    yield "doctype", "unreadable doctype", "ec.crt", "<!DOCTYPE packet>" + good, "a bare DOCTYPE"
    text = doctype.format('[<!ENTITY x SYSTEM "file:///etc/hostname">]') + edit(good, "1000", "&x;")
    yield "doctype-external", "unreadable doctype", "ec.crt", text, "an external entity"
    bomb = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 9))
    text = doctype.format(f'[<!ENTITY e0 "ha">{bomb}]') + edit(good, "1000", "&e8;")
    yield "doctype-bomb", "unreadable doctype", "ec.crt", text, "an entity bomb"
    text = doctype.format('[<!ATTLIST amount currency CDATA "USD">]') + good
    yield "doctype-default", "unreadable doctype", "ec.crt", text, "a default attribute that some readers see"
    text = doctype.format("[<!ATTLIST envelope name ID #IMPLIED>]") + good
    yield "doctype-id", "unreadable doctype", "ec.crt", text, "an ID attribute of another name"
    yield "two-roots", "unreadable", "ec.crt", good + "<packet/>", "two roots"
    yield "trailing-text", "unreadable", "ec.crt", good + "x", "text behind the root"
    yield "trailing-nul", "unreadable", "ec.crt", good + "\0", "a NUL behind the root"
    yield "truncated", "unreadable", "ec.crt", good[:-4], "cut off"
    yield "empty", "unreadable", "ec.crt", "", "nothing"
    yield "nul", "unreadable", "ec.crt", broken("1000", "10\x0000"), "a NUL"
    yield "control", "unreadable", "ec.crt", broken("1000", "10\x0100"), "a control character"
    yield "not-a-character", "unreadable", "ec.crt", broken("1000", "1000\uffff"), "U+FFFF"
    yield "utf8-invalid", "unreadable", "ec.crt", broken("1000", "1000@").encode().replace(b"1000@", b"1000\xff"), "a byte FF"
    text = broken("1000", "1000@").encode().replace(b"1000@", b"1000\xc0\xbc")
    yield "utf8-overlong", "unreadable", "ec.crt", text, "an overlong <"
    text = broken("1000", "1000@").encode().replace(b"1000@", b"1000\xed\xa0\x80")
    yield "utf8-surrogate", "unreadable", "ec.crt", text, "a surrogate in UTF-8"
    wide = '<?xml version="1.0" encoding="UTF-16"?>' + good
    yield "utf16", "unreadable encoding", "ec.crt", wide.encode("utf-16"), "UTF-16 with its mark"
    yield "utf16-bare", "unreadable", "ec.crt", good.encode("utf-16-be"), "UTF-16 without"
    yield "utf7", "unreadable encoding", "ec.crt", '<?xml version="1.0" encoding="UTF-7"?>' + good, "declared to be UTF-7"
    yield "latin1", "unreadable encoding", "ec.crt", '<?xml version="1.0" encoding="ISO-8859-1"?>' + good, "declared to be Latin-1"
    yield "xml-1.1", "unreadable", "ec.crt", '<?xml version="1.1"?>' + good, "XML 1.1"
    yield "declaration-late", "unreadable", "ec.crt", ' <?xml version="1.0"?>' + good, "a space before the XML declaration"
    yield "pi-before-declaration", "unreadable", "ec.crt", '<?p?><?xml version="1.0"?>' + good, "an instruction before it"
    yield "attribute-twice", "unreadable", "ec.crt", broken("<amount>", '<amount a="1" a="2">'), "an attribute twice"
    text = broken("<amount>", '<amount xmlns:p="urn:p" xmlns:q="urn:p" p:a="1" q:a="2">')
    yield "attribute-twice-expanded", "unreadable", "ec.crt", text, "the same, by two prefixes"
    yield "prefix-unbound", "unreadable", "ec.crt", broken("<amount>1000</amount>", "<p:amount>1000</p:amount>"), "an undeclared prefix"
    yield "prefix-undeclared-again", "unreadable", "ec.crt", broken("<amount>", '<amount xmlns:p="">'), "a prefix bound to nothing"
    yield "xml-rebound", "unreadable", "ec.crt", broken("<amount>", '<amount xmlns:xml="urn:x">'), "the prefix xml rebound"
    yield "xmlns-bound", "unreadable", "ec.crt", broken("<amount>", '<amount xmlns:xmlns="urn:x">'), "the prefix xmlns bound"
    text = broken("<amount>", '<amount xmlns:x="http://www.w3.org/XML/1998/namespace">')
    yield "xml-by-another-name", "unreadable", "ec.crt", text, "another prefix for the namespace of xml"
    yield "two-colons", "unreadable", "ec.crt", broken("<amount>1000</amount>", "<a:b:c>1000</a:b:c>"), "two colons in a name"
    yield "cdata-end", "unreadable", "ec.crt", broken("1000", "1000]]>"), "]]> in text"
    yield "less-in-attribute", "unreadable", "ec.crt", broken("<amount>", '<amount a="<">'), "< in an attribute"
    yield "attributes-touch", "unreadable", "ec.crt", broken("<amount>", '<amount a="1"b="2">'), "no white space between attributes"
    yield "attribute-bare", "unreadable", "ec.crt", broken("<amount>", "<amount a=1>"), "an attribute without quotes"
    yield "end-tag-attribute", "unreadable", "ec.crt", broken("</amount>", '</amount a="1">'), "an attribute in an end tag"
    yield "end-tag-wrong", "unreadable", "ec.crt", broken("</amount>", "</mount>"), "an end tag that does not fit"
    yield "name-bad", "unreadable", "ec.crt", broken("<amount>1000</amount>", "<1>1000</1>"), "a name that is none"
    yield "entity-unknown", "unreadable", "ec.crt", broken("1000", "1000&nbsp;"), "an undeclared entity"
    yield "reference-illegal", "unreadable", "ec.crt", broken("1000", "1000&#0;"), "a reference to no character"
    yield "reference-open", "unreadable", "ec.crt", broken("1000", "1000&amp"), "a reference without its end"
    yield "comment-dashes", "unreadable", "ec.crt", broken("1000", "1000<!-- -- -->"), "-- in a comment"
    yield "pi-xml", "unreadable", "ec.crt", broken("1000", "1000<?XML ?>"), "an instruction called XML"


def past_limits(sign):
    """One more than `good.odd` has."""
    def inside(text):
        return sign(edit(PACKET, "<amount>", text))

    depth = "<e>" * 126 + "</e>" * 126
    yield "limit-depth-past", "unreadable limit", "ec.crt", inside(f"{depth}<amount>"), "129 elements deep"
    attributes = "".join(f' a{at}=""' for at in range(257))
    yield "limit-attributes-past", "unreadable limit", "ec.crt", inside(f"<amount{attributes}>"), "257 attributes"
    many = "".join(f' xmlns:n{at}="urn:{at}"' for at in range(63))
    text = sign(edit(PACKET, OPEN, f"{OPEN[:-1]}{many}>"))
    yield "limit-namespaces-past", "unreadable limit", "ec.crt", text, "65 namespace declarations in scope"
    uri = "urn:" + "n" * 2045
    yield "limit-namespace-bytes-past", "unreadable limit", "ec.crt", inside(f'<amount xmlns:n="{uri}">'), "a namespace URI of 2049 bytes"


def vectors(sign, authority):
    """(name, verdict, pin, document, what it exercises) of packets."""
    yield from changed(sign, authority)
    yield from misbuilt(sign)
    yield from wrapped(unnamed(sign))
    yield from evasive(unnamed(sign))
    yield from keyed(sign, authority)
    yield from unreadable(unnamed(sign))
    yield from past_limits(unnamed(sign))


def free(sign):
    """Documents of any kind, every Signature of which is judged with a key."""
    sign = unnamed(sign)
    item = '<item ID="o"><a>1000</a>{}</item>'
    alone = [Reference("#o", c14n=EXCLUSIVE)]
    around = [Reference("#o", c14n=EXCLUSIVE, enveloped=True)]

    def exclusive(text, references, **more):
        return sign(text, references, c14n=EXCLUSIVE, **more)

    yield "free-unsigned", "absent", "ec.pub", "<x/>", "no Signature"
    text = exclusive(f"<x>{item.format('')}<other/>{HOLE}</x>", around)
    yield "free-not-around", "invalid", "ec.pub", text, "enveloped, and the Signature is in nothing that is signed"
    text = exclusive(f"<x><deep><deeper>{item.format('')}</deeper></deep>{HOLE}</x>", alone)
    yield "free-deep", "invalid", "ec.pub", text, "the signed element hidden deep in a sibling"
    text = exclusive(f"<x><item><a>9000</a></item>{item.format(HOLE)}</x>", around)
    yield "free-beside", "invalid", "ec.pub", text, "an unsigned element of the same name beside the signed one"
    text = exclusive(f"<x><item><a>9000</a>{item.format(HOLE)}</item></x>", around)
    yield "free-around", "invalid", "ec.pub", text, "an unsigned element of the same name around the signed one"
    text = exclusive(f"<x>{item.format('')}<deep>{edit(item, '1000', '9000').format('')}</deep>{HOLE}</x>", alone)
    yield "free-duplicate", "invalid", "ec.pub", text, "two elements of one id"
    text = exclusive(f"<x>{HOLE}</x>", alone, tail='<ds:Object Id="o">1</ds:Object><ds:Object>9000</ds:Object>')
    yield "free-object", "invalid coverage", "ec.pub", text, "one of two Objects is not signed"
    text = exclusive(HOLE, alone, tail='<ds:Object><a ID="o">1</a><a>9000</a></ds:Object>')
    yield "free-object-half", "invalid coverage", "ec.pub", text, "half of an Object is not signed"
    properties = '<ds:Object><all><one Id="o">1</one><one>9000</one></all></ds:Object>'
    text = exclusive(f"<x>{HOLE}</x>", [Reference(), *alone], tail=properties)
    yield "free-object-deep", "valid", "ec.pub", text, "an Object of which something deep inside is signed"
    text = exclusive(f"<x>{HOLE}</x>", [Reference()], key="other")
    yield "free-other-key", "invalid signature-value", "ec.pub", text, "another key"
    inner = sign(f"<x><item ID=\"o\"><a>1000</a>@INNER@</item>{HOLE}</x>", around, hole="@INNER@", key="other")
    yield "free-one-of-two", "invalid signature-value", "ec.pub", sign(inner), "the inner one of two Signatures by another key"
