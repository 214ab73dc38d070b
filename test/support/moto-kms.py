"""Starts moto as AWS KMS on a port of its own choice, closer to AWS than it is by itself.

What is corrected, each by the API reference of AWS KMS:
- MessageType DIGEST: the digest is signed as it is, and must have the length of its hash. moto hashes it again, and
  its own Verify agrees with that.
- A key that is disabled, or that waits to be deleted, signs nothing and shows no public key.
- GetPublicKey answers with the ARN of the key, and with KeySpec.
"""
import json
import threading

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.core.exceptions import JsonRESTError
from moto.kms import utils
from moto.kms.models import KmsBackend
from moto.kms.responses import KmsResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

asked = threading.local()


def error(name, message):
    failure = JsonRESTError(name, message)
    failure.code = 400
    return failure


def hash_for(hash_algorithm, message):
    if getattr(asked, "message_type", "RAW") != "DIGEST":
        return hash_algorithm
    if len(message) != hash_algorithm.digest_size:
        raise error("ValidationException", "Digest is invalid length for algorithm.")
    return Prehashed(hash_algorithm)


def sign_ecdsa(self, message, signing_algorithm):
    utils.validate_signing_algorithm(signing_algorithm, self.valid_signing_algorithms)
    hash_algorithm = self._ECDSAPrivateKey__hash_algorithm(signing_algorithm)
    return self.private_key.sign(message, ec.ECDSA(hash_for(hash_algorithm, message)))


def sign_rsa(self, message, signing_algorithm):
    padding, hash_algorithm = self._RSAPrivateKey__padding_and_hash_algorithm(signing_algorithm)
    return self.private_key.sign(message, padding, hash_for(hash_algorithm, message))


utils.ECDSAPrivateKey.sign = sign_ecdsa
utils.RSAPrivateKey.sign = sign_rsa

sign_request = KmsResponse.sign


def sign(self):
    asked.message_type = self._get_param("MessageType") or "RAW"
    return sign_request(self)


KmsResponse.sign = sign


def require_enabled(key):
    if key.key_state == "PendingDeletion":
        raise error("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if not key.enabled:
        raise error("DisabledException", f"{key.arn} is disabled.")


sign_with = KmsBackend.sign


def sign_if_enabled(self, key_id, message, signing_algorithm):
    require_enabled(self.describe_key(key_id))
    return sign_with(self, key_id, message, signing_algorithm)


KmsBackend.sign = sign_if_enabled

public_key_request = KmsResponse.get_public_key


def get_public_key(self):
    key_id = self._get_param("KeyId")
    self._validate_key_id(key_id)
    key = self.kms_backend.describe_key(key_id)
    require_enabled(key)
    if key.key_spec.startswith(("SYMMETRIC", "HMAC")):
        raise error("UnsupportedOperationException", f"{key.arn} is not asymmetric.")
    answer = json.loads(public_key_request(self))
    return json.dumps({**answer, "KeyId": key.arn, "KeySpec": key.key_spec})


KmsResponse.get_public_key = get_public_key


class Quiet(WSGIRequestHandler):
    # Clients keep their connections, as with AWS.
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


server = make_server(
    "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True, request_handler=Quiet
)
print(f"moto listens on {server.server_port}", flush=True)
server.serve_forever()
