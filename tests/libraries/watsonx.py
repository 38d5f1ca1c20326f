"""Clients of ibm-watsonx-ai that ask a loopback provider: the library itself refuses an address without TLS."""

from __future__ import annotations

import httpx
from ibm_watsonx_ai import APIClient, Credentials
from ibm_watsonx_ai.foundation_models import Embeddings, ModelInference, Rerank

PROJECT = {
    "entity": {"storage": {"type": "bmcos_object_storage"}, "compute": [{"type": "machine_learning", "guid": "g"}]}
}
CREDENTIALS = {"url": "https://us-south.ml.cloud.ibm.com", "token": "a.b.c"}


def _turn(request: httpx.Request, to: httpx.URL) -> httpx.Response | None:
    """Turn a request to the provider; what the client asks while it is set up is answered here."""
    if request.method == "GET":
        return httpx.Response(200, json=PROJECT, request=request)
    request.url = request.url.copy_with(scheme="http", host=to.host, port=to.port)
    request.headers["host"] = f"{to.host}:{to.port}"
    return None


class _Loop(httpx.HTTPTransport):
    def __init__(self, url):
        super().__init__()
        self._to = httpx.URL(url)

    def handle_request(self, request):
        return _turn(request, self._to) or super().handle_request(request)


class _AsyncLoop(httpx.AsyncHTTPTransport):
    def __init__(self, url):
        super().__init__()
        self._to = httpx.URL(url)

    async def handle_async_request(self, request):
        return _turn(request, self._to) or await super().handle_async_request(request)


class Client:
    """A model, an embedder and a ranker of one API client, all asking `url`."""

    def __init__(self, url, model="ibm/granite-3-8b-instruct", *, is_async=False):
        self.is_async = is_async
        self._http = httpx.Client(transport=_Loop(url))
        self._async_http = httpx.AsyncClient(transport=_AsyncLoop(url))
        api = APIClient(
            Credentials(**CREDENTIALS), project_id="p", httpx_client=self._http, async_httpx_client=self._async_http
        )
        told = {"api_client": api, "project_id": "p"}
        self.model = ModelInference(model_id=model, validate=False, params={"temperature": 0.5}, max_retries=0, **told)
        self.embeddings = Embeddings(model_id="ibm/slate-30m", **told)
        self.rerank = Rerank(model_id="ibm/ranker", **told)

    def ask(self, name, async_name, *args, **more):
        """Call the method of the model that is of this client's kind."""
        return getattr(self.model, async_name if self.is_async else name)(*args, **more)

    def close(self):
        self._http.close()

    async def aclose(self):
        self._http.close()
        await self._async_http.aclose()
