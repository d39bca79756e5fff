"""Names that stand in two places are the same in both."""

from dataclasses import fields

from yt_text.errors import Reason
from yt_text.job import JobState
from yt_text.rpc import translate
from yt_text.rpc.statuses import CODES
from yt_text.settings import Settings
from yt_text.transcript import TextOrigin
from yt_text.v1 import error_reason_pb2, job_pb2

PREFIX = "ERROR_REASON_"


def test_every_reason_is_in_the_contract_and_has_a_code() -> None:
    contract = {name.removeprefix(PREFIX) for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name} - {
        "UNSPECIFIED"
    }
    assert {reason.value for reason in Reason} == contract
    assert set(CODES) == set(Reason)


def test_every_state_and_origin_is_in_the_contract() -> None:
    assert set(translate.STATES) == set(JobState)
    assert set(translate.STATES.values()) == set(job_pb2.JobState.values()) - {job_pb2.JOB_STATE_UNSPECIFIED}
    assert set(translate.ORIGINS) == set(TextOrigin)
    assert set(translate.ORIGINS.values()) == set(job_pb2.TextOrigin.values()) - {job_pb2.TEXT_ORIGIN_UNSPECIFIED}


def test_names_that_others_rely_on_are_settings() -> None:
    """The names that deployments use; renaming one breaks them."""
    names = {f"YT_TEXT_{entry.name.upper()}" for entry in fields(Settings)}
    assert names >= {
        "YT_TEXT_DATA_DIR",
        "YT_TEXT_DATABASE_URL",
        "YT_TEXT_GRPC_ADDRESS",
        "YT_TEXT_ALLOWED_PRIVATE_ADDRESSES",
        "YT_TEXT_MODEL",
        "YT_TEXT_MODEL_DIR",
        "YT_TEXT_MAX_RUNNING_JOBS",
        "YT_TEXT_LEASE_SECONDS",
    }
