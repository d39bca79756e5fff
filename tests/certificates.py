"""Certificates for sites of tests, made on the spot."""

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15
from Cryptodome.Util.asn1 import DerBitString, DerInteger, DerNull, DerObjectId, DerOctetString

_SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
_COMMON_NAME = "2.5.4.3"
_ALTERNATIVE_NAME = "2.5.29.17"
_UTF8_STRING, _UTC_TIME, _SEQUENCE, _SET = 0x0C, 0x17, 0x30, 0x31
_VERSION, _EXTENSIONS, _IP_ADDRESS = 0xA0, 0xA3, 0x87


def certify(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Makes a self-signed certificate for 127.0.0.1.

    Returns:
        What a site needs to use it, and the file of those who trust it.
    """
    key, certificate = _made()
    (folder / "key.pem").write_bytes(key)
    (folder / "certificate.pem").write_text(ssl.DER_cert_to_PEM_cert(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context, folder / "certificate.pem"


@cache
def _made() -> tuple[bytes, bytes]:
    """The key as PEM and the certificate as DER."""
    key = RSA.generate(2048)
    now = datetime.now(UTC)
    algorithm = _all(_SEQUENCE, DerObjectId(_SHA256_WITH_RSA).encode(), DerNull().encode())
    name = _all(_SEQUENCE, DerObjectId(_COMMON_NAME).encode(), _all(_UTF8_STRING, b"127.0.0.1"))
    names = _all(_SEQUENCE, _all(_SET, name))
    address = _all(_SEQUENCE, _all(_IP_ADDRESS, bytes([127, 0, 0, 1])))
    extension = _all(_SEQUENCE, DerObjectId(_ALTERNATIVE_NAME).encode(), DerOctetString(address).encode())
    body = _all(
        _SEQUENCE,
        _all(_VERSION, DerInteger(2).encode()),  # counted from 0
        DerInteger(int(now.timestamp())).encode(),
        algorithm,
        names,
        _all(_SEQUENCE, _time(now - timedelta(days=1)), _time(now + timedelta(days=2))),
        names,
        key.public_key().export_key("DER"),
        _all(_EXTENSIONS, _all(_SEQUENCE, extension)),
    )
    signature = DerBitString(pkcs1_15.new(key).sign(SHA256.new(body))).encode()
    return key.export_key("PEM"), _all(_SEQUENCE, body, algorithm, signature)


def _all(tag: int, *parts: bytes) -> bytes:
    """A value of a tag, in DER."""
    payload = b"".join(parts)
    size = len(payload)
    length = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else bytes([0x82, *divmod(size, 256)])
    return bytes([tag]) + length + payload


def _time(moment: datetime) -> bytes:
    return _all(_UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
