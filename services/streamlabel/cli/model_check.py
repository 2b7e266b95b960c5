"""Whether the model that a project names is served: asked when the project is applied, while somebody is there to mend it."""

from __future__ import annotations

import grpc
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from streamlabel.core.project import ModelBinding

_TIMEOUT_S = 5.0


async def model_warning(triton_address: str, binding: ModelBinding) -> str | None:
    """What is wrong with the model as Triton at `triton_address` sees it, and what follows; None: it is ready."""
    client = InferenceServerClient(triton_address)
    try:
        if await client.is_model_ready(binding.name, str(binding.version), client_timeout=_TIMEOUT_S):
            return None
    except (InferenceServerException, grpc.RpcError):
        return f"Triton at {triton_address} does not answer: records wait until it does"
    finally:
        await client.close()
    return (
        f"Triton at {triton_address} does not serve model {binding.name} version {binding.version} now: its records wait, and "
        "those of other projects behind them; after STREAMLABEL_INFERENCE_MODEL_PATIENCE_S its own become dead letters. "
        "Is it in the model repository (`streamlabel model build`), and loaded "
        f"(at Triton's start, or by POST /v2/repository/models/{binding.name}/load on its HTTP port)?"
    )
