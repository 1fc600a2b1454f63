"""Orders over HTTP, by a view and by an asynchronous one."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import IntegrityError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from shop.ordering import place


@require_POST
def orders(request: HttpRequest) -> JsonResponse:
    """Place an order; the customer chose its id, so a repeated request is known."""
    form = request.POST
    try:
        place(UUID(form["id"]), form["customer"], Decimal(form["total"]))
    except IntegrityError:
        return JsonResponse({"error": "this order was placed before"}, status=409)
    return JsonResponse({"id": form["id"]}, status=201)


async def orders_async(request: HttpRequest) -> JsonResponse:
    """As `orders`, for a view that has to wait for other things, too.

    Django keeps transactions to synchronous code, so that part goes to a thread as a whole.
    """
    answer: JsonResponse = await sync_to_async(orders)(request)
    return answer
