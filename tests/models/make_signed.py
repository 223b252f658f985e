#!/usr/bin/env python3
"""Makes tests/models/signed: a version that was signed by the tool of OpenSSF Model Signing itself (PyPI: model-signing 1.1,
pyopenssl), so that our reading of its format is judged by bytes that are not ours. The secret keys are thrown away.

    signed/1/          model.onnx (that of cancer-logistic) with files beside it, and model.sig
    signed/trusted.pem the public key of that
    signed/other/      other signatures of the same files: keys on P-384 and P-521 with their public keys; forms of v1.0
                       that we do not take (shards.sig, blake3.sig)
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import model_signing
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = pathlib.Path(__file__).resolve().parent
SIGNED = HERE / "signed"
VERSION = SIGNED / "1"


def make_key(folder, name, curve, public):
    key = ec.generate_private_key(curve)
    path = folder / name
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM,
                                                     serialization.PublicFormat.SubjectPublicKeyInfo))
    return path


def sign(key, signature):
    """As an operator does."""
    subprocess.run([pathlib.Path(sys.executable).parent / "model_signing", "sign", "key", ".", "--private_key", key,
                    "--signature", signature], cwd=VERSION, check=True)


def sign_otherwise(key, signature, **how):
    hashing = model_signing.hashing.Config().set_ignored_paths(paths=["model.sig"])
    hashing = hashing.use_shard_serialization() if how.pop("shards", False) else hashing.use_file_serialization(**how)
    model_signing.signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(hashing) \
        .sign(VERSION, signature)


def main():
    shutil.rmtree(SIGNED, ignore_errors=True)
    (VERSION / "vocabulary").mkdir(parents=True)
    (SIGNED / "other").mkdir()
    shutil.copyfile(HERE / "repository/cancer-logistic/1/model.onnx", VERSION / "model.onnx")
    (VERSION / "vocabulary/words.txt").write_text("benign\nmalignant\n")
    (VERSION / "vocabulary/.order").write_text("by index\n")
    (VERSION / "vocabulary.txt").write_text("sorts between the folder and what lies in it\n")
    (VERSION / "empty").write_bytes(b"")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, curve in (("p384", ec.SECP384R1()), ("p521", ec.SECP521R1())):
            sign(make_key(folder, name, curve, SIGNED / f"other/{name}.pem"), SIGNED / f"other/{name}.sig")
        key = make_key(folder, "p256", ec.SECP256R1(), SIGNED / "trusted.pem")
        sign_otherwise(key, SIGNED / "other/blake3.sig", hashing_algorithm="blake3")
        sign_otherwise(key, SIGNED / "other/shards.sig", shards=True)
        sign(key, "model.sig")  # last: it would be a file that others sign


if __name__ == "__main__":
    main()
