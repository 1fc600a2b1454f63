"""Where orders are placed: by a synchronous view, and by an asynchronous one."""

from __future__ import annotations

from django.urls import path
from shop.views import orders, orders_async

urlpatterns = [path("orders", orders), path("async/orders", orders_async)]
