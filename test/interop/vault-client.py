"""A client of Vault's transit engine: VAULT_ADDR and VAULT_TOKEN say where; its words are NAME TYPE DIGEST (base64).

Makes the key when TYPE is not empty, signs the digest, and prints as JSON what the engine says of both.
"""
import json
import os
import sys

import hvac

name, kind, digest = sys.argv[1:]
transit = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"]).secrets.transit
if kind:
    transit.create_key(name=name, key_type=kind)
key = transit.read_key(name=name)["data"]
signed = transit.sign_data(
    name=name,
    hash_input=digest,
    hash_algorithm="sha2-256",
    prehashed=True,
    signature_algorithm="pkcs1v15",
    marshaling_algorithm="asn1",
)["data"]
json.dump({"key": key, "signed": signed}, sys.stdout)
