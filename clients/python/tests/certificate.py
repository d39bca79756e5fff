"""A certificate for 127.0.0.1 and localhost, made on the spot and good for a day."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import ECC
from Cryptodome.Signature import DSS
from Cryptodome.Util.asn1 import DerBitString, DerInteger, DerObjectId

_SEQUENCE, _SET, _OCTETS, _UTF8, _UTC_TIME = 0x30, 0x31, 0x04, 0x0C, 0x17


def self_signed() -> tuple[bytes, bytes]:
    """Returns a private key and its certificate, both as PEM."""
    key = ECC.generate(curve="P-256")
    algorithm = _der(_SEQUENCE, _object_id("1.2.840.10045.4.3.2"))  # ECDSA with SHA-256
    common_name = _der(_SEQUENCE, _object_id("2.5.4.3"), _der(_UTF8, b"localhost"))
    name = _der(_SEQUENCE, _der(_SET, common_name))
    now = datetime.now(UTC)
    host_names = _der(_SEQUENCE, _der(0x82, b"localhost"), _der(0x87, ip_address("127.0.0.1").packed))
    extension = _der(_SEQUENCE, _object_id("2.5.29.17"), _der(_OCTETS, host_names))
    body = _der(
        _SEQUENCE,
        _der(0xA0, DerInteger(2).encode()),
        DerInteger(now.microsecond + 1).encode(),
        algorithm,
        name,
        _der(_SEQUENCE, _time(now - timedelta(hours=1)), _time(now + timedelta(days=1))),
        name,
        bytes(key.public_key().export_key(format="DER")),
        _der(0xA3, _der(_SEQUENCE, extension)),
    )
    signature = DSS.new(key, "fips-186-3", encoding="der").sign(SHA256.new(body))
    certificate = _der(_SEQUENCE, body, algorithm, DerBitString(signature).encode())
    return str(key.export_key(format="PEM")).encode(), ssl.DER_cert_to_PEM_cert(certificate).encode()


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (length if size < 128 else bytes([0x80 + len(length)]) + length) + content


def _object_id(dotted: str) -> bytes:
    return DerObjectId(dotted).encode()


def _time(moment: datetime) -> bytes:
    return _der(_UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
