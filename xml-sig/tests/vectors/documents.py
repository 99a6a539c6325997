"""How a vector is signed: the document with a hole for its Signature, what the Signature says, and the octets that the
recommendation wants digested and signed, by `canonical.py`. Nothing stops a vector from saying one thing and doing another."""

import base64
import hashlib

from canonical import Document, Form, canonical

DS = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
MORE7 = "http://www.w3.org/2007/05/xmldsig-more#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_11 = "http://www.w3.org/2006/12/xml-c14n11"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
WITH_COMMENTS = {C14N: C14N + "#WithComments", EXCLUSIVE: EXCLUSIVE + "WithComments", C14N_11: C14N_11 + "#WithComments"}
ENVELOPED = DS + "enveloped-signature"

# name: (URI, digest, whether PSS)
METHODS = {
    "rsa-sha1": (DS + "rsa-sha1", "sha1", False),
    "rsa-sha256": (MORE + "rsa-sha256", "sha256", False),
    "rsa-sha384": (MORE + "rsa-sha384", "sha384", False),
    "rsa-sha512": (MORE + "rsa-sha512", "sha512", False),
    "pss-sha1": (MORE7 + "sha1-rsa-MGF1", "sha1", True),
    "pss-sha256": (MORE7 + "sha256-rsa-MGF1", "sha256", True),
    "pss-sha384": (MORE7 + "sha384-rsa-MGF1", "sha384", True),
    "pss-sha512": (MORE7 + "sha512-rsa-MGF1", "sha512", True),
    "ecdsa-sha1": (MORE + "ecdsa-sha1", "sha1", False),
    "ecdsa-sha256": (MORE + "ecdsa-sha256", "sha256", False),
    "ecdsa-sha384": (MORE + "ecdsa-sha384", "sha384", False),
    "ecdsa-sha512": (MORE + "ecdsa-sha512", "sha512", False),
}
DIGESTS = {
    "sha1": DS + "sha1",
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": MORE + "sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
    "md5": MORE + "md5",
}
CURVE_BYTES = {"ec": 32, "ec384": 48, "ec521": 66}

OPEN = '<packet xmlns="urn:example:packet">'
ENVELOPE = (
    '<envelope Id="envelope"><header><from>H55</from><to>H56</to><subject>V/v thử nghiệm</subject>'
    "<amount>1000</amount></header></envelope>"
)
ATTACHMENT = '<attachment Id="a1"><name>a.txt</name><content>eGluIGNow6BvIQ==</content></attachment>'
HOLE = "@SIGNATURE@"
PACKET = f"{OPEN}{ENVELOPE}{ATTACHMENT}{HOLE}</packet>"


def algorithm(name, uri, content=""):
    return f'<ds:{name} Algorithm="{uri}">{content}</ds:{name}>'


def transform(uri, content=""):
    return algorithm("Transform", uri, content)


def prefix_list(prefixes):
    return f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="{prefixes}"></ec:InclusiveNamespaces>'


class Reference:
    """`uri`: the attribute's value, None for none. `apex`: what is digested, by default what the URI says. `left_out`: what is
    not, beside the Signature itself when `enveloped`."""

    def __init__(self, uri="", *, c14n=C14N, comments=False, prefixes=None, enveloped=None, transforms=None, digest="sha256",
                 apex=None, left_out=lambda e: False, octets=None, attributes="", value=None):
        self.uri, self.digest, self.apex, self.left_out = uri, digest, apex, left_out
        self.octets, self.attributes, self.value = octets, attributes, value
        self.enveloped = uri == "" if enveloped is None else enveloped
        self.c14n, self.prefixes = c14n, prefixes
        if transforms is None:
            transforms = [transform(ENVELOPED)] if self.enveloped else []
            if c14n:
                content = "" if prefixes is None else prefix_list(prefixes)
                transforms.append(transform(WITH_COMMENTS[c14n] if comments else c14n, content))
        self.transforms = transforms

    def text(self, at):
        uri = "" if self.uri is None else f' URI="{self.uri}"'
        transforms = f"<ds:Transforms>{''.join(self.transforms)}</ds:Transforms>" if self.transforms else ""
        return (
            f"<ds:Reference{uri}{self.attributes}>{transforms}{algorithm('DigestMethod', DIGESTS.get(self.digest, self.digest))}"
            f"<ds:DigestValue>@DIGEST{at}@</ds:DigestValue></ds:Reference>"
        )

    def digest_value(self, document, signature):
        if self.value is not None:
            return self.value
        octets = self.octets
        if octets is None:
            form = form_of(self.c14n or C14N, False, self.prefixes)
            form.leave_out = lambda e: (self.enveloped and e is signature) or self.left_out(e)
            if self.apex:
                apex = document.find(self.apex)
            else:
                apex = document.with_id(self.uri[1:]) if self.uri else None
            octets = canonical(document, form, apex)
        name = self.digest if self.digest in hashlib.algorithms_available else "sha256"
        return base64.b64encode(hashlib.new(name, octets).digest()).decode()


def form_of(uri, comments=False, prefixes=None):
    return Form(uri == EXCLUSIVE, comments, (prefixes or "").split(), uri == C14N_11)


class Signer:
    """Whoever signs, with the keys of an `Authority`."""

    def __init__(self, authority):
        self.authority = authority

    def key_info(self, key):
        certificate = self.authority.certificate(key)
        return f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"

    def key_value(self, key):
        modulus, exponent = self.authority.rsa_numbers(key)
        numbers = f"<ds:Modulus>{modulus}</ds:Modulus><ds:Exponent>{exponent}</ds:Exponent>"
        return f"<ds:KeyInfo><ds:KeyValue><ds:RSAKeyValue>{numbers}</ds:RSAKeyValue></ds:KeyValue></ds:KeyInfo>"

    def value(self, key, method, octets):
        _, digest, pss = METHODS[method]
        if method.startswith("ecdsa"):
            r, s = self.authority.sign_ecdsa(key, digest, octets)
            size = CURVE_BYTES.get(key, 32)
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return self.authority.sign(key, digest, octets, pss)

    def sign(self, text=PACKET, references=None, *, key="ec", method="ecdsa-sha256", method_uri=None, method_content="",
             c14n=C14N, comments=False, prefixes=None, key_info=None, tail="", head="", remark="", make_value=None, hole=HOLE,
             attributes=""):
        """The document with the hole filled. `head`, `tail`: elements before SignedInfo and after KeyInfo. `remark`: stands at
        the end of SignedInfo. `make_value`: octets to SignatureValue, where it is not the key's."""
        references = [Reference()] if references is None else references
        content = "" if prefixes is None else prefix_list(prefixes)
        signed_info = (
            "<ds:SignedInfo>"
            + algorithm("CanonicalizationMethod", WITH_COMMENTS[c14n] if comments else c14n, content)
            + algorithm("SignatureMethod", method_uri or METHODS[method][0], method_content)
            + "".join(reference.text(at) for at, reference in enumerate(references))
            + f"{remark}</ds:SignedInfo>"
        )
        key_info = self.key_info(key) if key_info is None else key_info
        text = text.replace(
            hole,
            f'<ds:Signature xmlns:ds="{DS}"{attributes}>{head}{signed_info}<ds:SignatureValue>@VALUE@</ds:SignatureValue>'
            f"{key_info}{tail}</ds:Signature>",
        )
        for at, reference in enumerate(references):
            document = Document(text.encode())
            text = text.replace(f"@DIGEST{at}@", reference.digest_value(document, unfinished(document)), 1)
        document = Document(text.encode())
        info = [e for e in unfinished(document).children if getattr(e, "name", "") == "ds:SignedInfo"][0]
        octets = canonical(document, form_of(c14n, comments, prefixes), info)
        value = make_value(octets) if make_value else self.value(key, method, octets)
        return text.replace("@VALUE@", base64.b64encode(value).decode())


def unfinished(document):
    """The Signature whose value is still missing."""
    value = next(e for e in document.root.all() if e.children == ["@VALUE@"])
    return value.parent


def edit(text, old, new, count=1):
    """Replaces what must be there."""
    if old not in text:
        raise SystemExit(f"there is no {old!r} to replace")
    return text.replace(old, new, count)


def between(text, begin, end):
    """The first piece from `begin` to `end`, both included."""
    at = text.index(begin)
    return text[at:text.index(end, at) + len(end)]
