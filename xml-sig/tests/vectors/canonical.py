"""Canonical XML, written a second time and from the recommendations alone, so that the vectors do not lean on the crate
that they test: Canonical XML 1.0 and 1.1, Exclusive XML Canonicalization 1.0. Whole documents or one element of them.
No DOCTYPE, no XPath subsets. It is slow and refuses nothing; it is for documents that we wrote."""

from xml.parsers import expat

XML = "http://www.w3.org/XML/1998/namespace"


class Element:
    """An element as it stands in the document; children are Element, str, or a tuple for comments and instructions."""

    def __init__(self, name, attributes, parent):
        self.name, self.parent, self.children = name, parent, []
        self.declared, self.attributes = {}, []
        for key, value in attributes:
            if key == "xmlns":
                self.declared[""] = value
            elif key.startswith("xmlns:"):
                self.declared[key[6:]] = value
            else:
                self.attributes.append((key, value))

    def scope(self):
        """Every binding in scope, the inner ones first served."""
        found = dict(self.parent.scope()) if self.parent else {}
        return {**found, **self.declared}

    def resolve(self, name, is_attribute=False):
        prefix, _, local = name.rpartition(":")
        if prefix == "xml":
            return XML, local
        if not prefix and is_attribute:
            return "", local
        return self.scope().get(prefix, ""), local

    def all(self):
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.all()

    def ancestors(self):
        element = self.parent
        while element:
            yield element
            element = element.parent


class Document:
    def __init__(self, octets):
        self.before, self.root, self.after = [], None, []
        self._open = None
        parser = expat.ParserCreate("UTF-8")
        parser.ordered_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = lambda text: self._open.children.append(text)
        parser.CommentHandler = lambda text: self._aside(("comment", text))
        parser.ProcessingInstructionHandler = lambda target, data: self._aside(("instruction", target, data))
        parser.Parse(octets, True)

    def _start(self, name, flat):
        element = Element(name, list(zip(flat[::2], flat[1::2])), self._open)
        if self._open:
            self._open.children.append(element)
        else:
            self.root = element
        self._open = element

    def _end(self, _):
        self._open = self._open.parent

    def _aside(self, node):
        if self._open:
            self._open.children.append(node)
        else:
            (self.after if self.root else self.before).append(node)

    def find(self, path):
        """The first element whose names, from the root, are these local names."""
        return next(e for e in self.root.all() if path_of(e) == path)

    def with_id(self, value):
        """The first element with an attribute of this value that is called an id."""
        names = {"Id", "ID", "id", "AssertionID", "xml:id", "wsu:Id"}
        return next(e for e in self.root.all() if any(k in names and v == value for k, v in e.attributes))


def path_of(element):
    return "/".join(e.name.rpartition(":")[2] for e in reversed([element, *element.ancestors()]))


class Form:
    """A canonicalisation with its parameters. `leave_out` says which elements are not in the node-set."""

    def __init__(self, exclusive=False, comments=False, prefixes=(), version_1_1=False, leave_out=lambda e: False):
        self.exclusive, self.comments, self.prefixes = exclusive, comments, prefixes
        self.version_1_1, self.leave_out = version_1_1, leave_out


def canonical(document, form, apex=None):
    """The octets of the document, or of the element `apex`."""
    if apex:
        return "".join(_element(apex, form, {}, True)).encode()
    pieces = []
    for node in document.before:
        if shown := _aside(node, form):
            pieces += [shown, "\n"]
    pieces += _element(document.root, form, {}, True)
    for node in document.after:
        if shown := _aside(node, form):
            pieces += ["\n", shown]
    return "".join(pieces).encode()


def _aside(node, form):
    if node[0] == "comment":
        return f"<!--{node[1]}-->" if form.comments else ""
    return f"<?{node[1]} {node[2]}?>" if node[2] else f"<?{node[1]}?>"


def _element(element, form, rendered, is_apex):
    if form.leave_out(element):
        return
    shown, now = _namespaces(element, form, rendered)
    attributes = list(element.attributes)
    if is_apex and not form.exclusive:
        attributes += _inherited(element, form)
    attributes.sort(key=lambda pair: element.resolve(pair[0], True))
    yield f"<{element.name}"
    for prefix, uri in sorted(shown.items()):
        yield f' xmlns{":" if prefix else ""}{prefix}="{_value(uri)}"'
    for name, value in attributes:
        yield f' {name}="{_value(value)}"'
    yield ">"
    for child in element.children:
        if isinstance(child, Element):
            yield from _element(child, form, now, False)
        elif isinstance(child, str):
            yield _text(child)
        else:
            yield _aside(child, form)
    yield f"</{element.name}>"


def _namespaces(element, form, rendered):
    """What is written here, and what the output has in scope below."""
    scope = element.scope()
    scope.pop("xml", None)
    if form.exclusive:
        listed = {"" if p == "#default" else p for p in form.prefixes}
        used = {element.name.rpartition(":")[0]}
        used |= {k.rpartition(":")[0] for k, _ in element.attributes if ":" in k}
        wanted = {p for p in used | (listed & scope.keys()) if p != "xml"}
    else:
        wanted = set(scope)
    if not rendered.get("") and not scope.get(""):
        wanted.discard("")
    shown = {p: scope.get(p, "") for p in wanted if rendered.get(p) != scope.get(p, "")}
    return shown, {**rendered, **shown}


def _inherited(element, form):
    """The xml: attributes of the ancestors that are left out."""
    have, found = {k for k, _ in element.attributes}, []
    for ancestor in element.ancestors():
        for name, value in ancestor.attributes:
            if name.startswith("xml:") and name not in have and not (form.version_1_1 and name == "xml:id"):
                have.add(name)
                found.append((name, value))
    return found


def _text(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _value(text):
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
