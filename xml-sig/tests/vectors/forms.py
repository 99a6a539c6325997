"""Canonical forms: documents with the octets that each form of them has, by `canonical.py`, and by xmllint where it is
installed and knows the form."""

import shutil
import subprocess

from canonical import Document, Form, canonical

DOCUMENTS = {
    "plain": "<a/>",
    "declaration": "\ufeff<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n\n<a  b = 'c'  ></a >\n",
    "around": "<!-- 1 --><?p?>\n<?q  r s ?>\r\n<a><!-- 2 --><?p\r\nq?></a><!-- 3 -->\n\n<?r?>\n",
    "attributes": "<a c='3' xmlns:z='urn:a' b:a='1' z:c='2' z:b='1' xmlns:b='urn:b' xmlns='urn:d' a='4' xml:lang='vi' B='5'/>",
    "values": "<a b='\t1\r\n2\n&#9;&#10;&#13; &lt;&gt;&amp;&quot;&apos;\"'>\"'&gt;&lt;&amp;\t\r\n\r&#13;&#10;]] &gt;</a>",
    "cdata": "<a><![CDATA[<b>&amp;\r\n]]]]><![CDATA[>]]><![CDATA[]]></a>",
    "joined": "<a>1<!-- -->0\r<!-- -->\n0<?p?>0&#x41;<![CDATA[B]]>C</a>",
    "undeclared": "<a xmlns='urn:a'><b xmlns=''><c xmlns=''/><d xmlns='urn:a'><e xmlns=''/></d></b></a>",
    "undeclared-first": "<a xmlns=''><b xmlns='urn:b'><c xmlns=''/></b></a>",
    "superfluous": "<p:a xmlns:p='urn:p'><p:b xmlns:p='urn:p'><p:c xmlns:p='urn:q'><p:d xmlns:p='urn:p'/></p:c></p:b></p:a>",
    "unused": "<a xmlns:x='urn:x' xmlns:y='urn:y'><b y:k='1'><x:c/><x:c x:k='2'/></b><y:b xmlns:y='urn:y2'><c y:k=''/></y:b></a>",
    "default-attribute": "<p:a xmlns='urn:d' xmlns:p='urn:p' k='1'><p:b p:k='1'/><b/></p:a>",
    "escaped-uri": "<a xmlns:q='urn:&quot;&#9;x' xmlns:g='urn:>'><q:b g:c=''/></a>",
    "vietnamese": "<công-văn số='15/UBND'>Ủy ban nhân dân 𠀀 &#x1EE6;</công-văn>",
    "order": "<a xmlns:b='urn:1' xmlns:aa='urn:2' xmlns:a='urn:3' xmlns:á='urn:4' b:x='' aa:x='' a:x='' á:x='' é='' z=''/>",
    "xml-prefix": "<a xml:space='preserve' xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:id='i'><b xml:base='c'> </b></a>",
}
# What libxml2 2.9 refuses, though nothing forbids it: a quotation mark in a namespace's name.
GAPS = {"escaped-uri"}
# (ending, form, xmllint's option)
FORMS = [
    ("inc", Form(), None),
    ("inc-comments", Form(comments=True), "--c14n"),
    ("exc", Form(exclusive=True), None),
    ("exc-comments", Form(exclusive=True, comments=True), "--exc-c14n"),
    ("exc-list", Form(exclusive=True, prefixes=["#default", "y", "p"]), None),
]


def write(here):
    """Writes the documents, their forms and the table; says what was done."""
    folder = here / "c14n"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    asked, lines = 0, ["# document\tcanonical form\twhich. By ./make\n"]
    for name, text in DOCUMENTS.items():
        document = folder / f"{name}.xml"
        document.write_bytes(text.encode())
        for ending, form, option in FORMS:
            octets = canonical(Document(text.encode()), form)
            (folder / f"{name}.{ending}").write_bytes(octets)
            lines.append(f"c14n/{name}.xml\tc14n/{name}.{ending}\t{ending}\n")
            if option and name not in GAPS and shutil.which("xmllint"):
                said = subprocess.run(["xmllint", option, document], capture_output=True, check=True).stdout
                if said != octets:
                    raise SystemExit(f"{name}.{ending}: {octets} but xmllint has {said}")
                asked += 1
    (here / "c14n.tsv").write_text("".join(lines))
    return f"{len(lines) - 1} canonical forms, {asked} of them as xmllint writes them"
