"""Throw-away keys and certificates of one authority, by the openssl program. The private keys live in a temporary folder
for as long as the script runs; only certificates, public keys and the revocation list are kept."""

import base64
import pathlib
import subprocess

FROM, UNTIL = "20260101000000Z", "20460101000000Z"

SETTINGS = """
[ca]
default_ca = authority
[authority]
dir = .
database = index.txt
new_certs_dir = .
certificate = ca.crt
private_key = ca.pem
serial = serial
crlnumber = crlnumber
default_md = sha256
policy = any
unique_subject = no
[any]
countryName = optional
organizationName = optional
commonName = supplied
[req]
distinguished_name = subject
[subject]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[signs]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature, nonRepudiation
[enciphers]
basicConstraints = CA:FALSE
keyUsage = critical, keyEncipherment
[server]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, serverAuth
[documents]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = 1.3.6.1.5.5.7.3.36
"""

RSA_2048, RSA_1024 = ("RSA", "rsa_keygen_bits:2048"), ("RSA", "rsa_keygen_bits:1024")
P256, P384, P521 = (("EC", f"ec_paramgen_curve:{curve}") for curve in ("P-256", "P-384", "P-521"))


class Authority:
    """A folder with an authority and whoever it certified."""

    def __init__(self, folder, kept):
        self.folder, self.kept = pathlib.Path(folder), pathlib.Path(kept)
        self.kept.mkdir(exist_ok=True)
        for old in self.kept.iterdir():
            old.unlink()
        for name, text in [("settings", SETTINGS), ("index.txt", ""), ("serial", "1000"), ("crlnumber", "01")]:
            (self.folder / name).write_text(text)
        self._key("ca", P256)
        self.openssl("req", "-new", "-config", "settings", "-key", "ca.pem", "-subj", "/C=VN/CN=Vector Root", "-out", "ca.csr")
        self._issue("ca", "root", FROM, UNTIL, "-selfsign")

    def openssl(self, *arguments, given=None):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, input=given, capture_output=True)
        if done.returncode:
            raise SystemExit(f"openssl {' '.join(arguments)}: {done.stderr.decode()}")
        return done.stdout

    def _key(self, name, kind):
        self.openssl("genpkey", "-algorithm", kind[0], "-pkeyopt", kind[1], "-out", f"{name}.pem")
        (self.kept / f"{name}.pub").write_bytes(self.openssl("pkey", "-in", f"{name}.pem", "-pubout"))

    def _issue(self, name, section, begin, end, *more):
        self.openssl("ca", "-batch", "-config", "settings", "-extensions", section, "-in", f"{name}.csr", "-startdate", begin,
                     "-enddate", end, "-notext", "-out", f"{name}.crt", *more)
        (self.kept / f"{name}.crt").write_bytes((self.folder / f"{name}.crt").read_bytes())

    def certify(self, name, kind, section="signs", begin=FROM, end=UNTIL, subject=None):
        self._key(name, kind)
        subject = f"/C=VN/O=Vectors/CN={subject or name}"
        self.openssl("req", "-new", "-config", "settings", "-key", f"{name}.pem", "-subj", subject, "-out", f"{name}.csr")
        self._issue(name, section, begin, end)

    def by_itself(self, name, kind, subject):
        """A certificate that nobody else signed."""
        self._key(name, kind)
        self.openssl("req", "-new", "-x509", "-config", "settings", "-key", f"{name}.pem", "-days", "7000", "-subj",
                     f"/C=VN/O=Vectors/CN={subject}", "-extensions", "signs", "-out", f"{name}.crt")
        (self.kept / f"{name}.crt").write_bytes((self.folder / f"{name}.crt").read_bytes())

    def revoke(self, name):
        self.openssl("ca", "-batch", "-config", "settings", "-revoke", f"{name}.crt")

    def publish_list(self):
        """The revocation list, under a date of long ago so that the time of the tests lies in it."""
        self.openssl("ca", "-batch", "-config", "settings", "-gencrl", "-crl_lastupdate", FROM, "-crl_nextupdate", UNTIL,
                     "-out", "ca.crl")
        (self.kept / "ca.crl").write_bytes((self.folder / "ca.crl").read_bytes())

    def certificate(self, name):
        """The certificate in base64, in one line."""
        return base64.b64encode(self.openssl("x509", "-in", f"{name}.crt", "-outform", "DER")).decode()

    def public_pem(self, name):
        return (self.kept / f"{name}.pub").read_bytes()

    def rsa_numbers(self, name):
        """Modulus and exponent 65537 in base64."""
        line = self.openssl("rsa", "-in", f"{name}.pem", "-noout", "-modulus").decode()
        number = bytes.fromhex(line.strip().split("=")[1])
        return base64.b64encode(number).decode(), "AQAB"

    def sign(self, name, digest, octets, pss=False):
        options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"] if pss else []
        return self.openssl("dgst", f"-{digest}", "-sign", f"{name}.pem", *options, given=octets)

    def sign_ecdsa(self, name, digest, octets):
        """r and s as numbers."""
        return ecdsa_numbers(self.openssl("dgst", f"-{digest}", "-sign", f"{name}.pem", given=octets))


def ecdsa_numbers(der):
    """r and s of an Ecdsa-Sig-Value (RFC 3279 section 2.2.3)."""
    def integer(at):
        length = der[at + 1]
        return int.from_bytes(der[at + 2:at + 2 + length], "big"), at + 2 + length
    r, at = integer(3 if der[1] & 0x80 else 2)
    return r, integer(at)[0]
