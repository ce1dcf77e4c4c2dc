"""Keeps the shop busy: orders are placed, paid, shipped and cancelled; prices move; customers join.

The SQL is understood by PostgreSQL, MySQL and MariaDB alike; only `connect` differs.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any


class Shop:
    def __init__(self, connect: Callable[[], Any], per_second: float) -> None:
        """`connect` opens a DB-API connection, not in autocommit; it is called in a thread of our own."""
        self.connect, self.per_second = connect, per_second
        self.transactions = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "Shop":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        link = self.connect()
        cursor = link.cursor()
        actions = [self._order] * 5 + [self._advance] * 4 + [self._cancel, self._price, self._join]
        while not self._stop.wait(1 / self.per_second):
            random.choice(actions)(cursor)
            link.commit()
            self.transactions += 1
        link.close()

    @staticmethod
    def _pick(cursor: Any, what: str) -> tuple[Any, ...] | None:
        """A row by chance, of the newest fifty."""
        cursor.execute(f"SELECT {what} ORDER BY id DESC LIMIT 50")
        rows = cursor.fetchall()
        return random.choice(rows) if rows else None

    @staticmethod
    def _order(cursor: Any) -> None:
        cursor.execute("INSERT INTO orders (customer_id) VALUES (%s)", Shop._pick(cursor, "id FROM customers"))
        cursor.execute("SELECT max(id) FROM orders")  # nobody else places orders
        (order,) = cursor.fetchone()
        cursor.execute("SELECT id FROM products")
        products = cursor.fetchall()
        for line, (product,) in enumerate(random.sample(products, random.randint(1, 3)), 1):
            quantity = random.randint(1, 4)
            cursor.execute("INSERT INTO order_items VALUES (%s, %s, %s, %s)", (order, line, product, quantity))
            cursor.execute("UPDATE products SET stock = stock - %s WHERE id = %s", (quantity, product))

    @staticmethod
    def _advance(cursor: Any) -> None:
        if found := Shop._pick(cursor, "id, status FROM orders WHERE status IN ('new', 'paid')"):
            order, status = found
            after = "paid" if status == "new" else "shipped"
            cursor.execute("UPDATE orders SET status = %s WHERE id = %s", (after, order))

    @staticmethod
    def _cancel(cursor: Any) -> None:
        if found := Shop._pick(cursor, "id FROM orders WHERE status = 'new'"):
            cursor.execute("DELETE FROM order_items WHERE order_id = %s", found)
            cursor.execute("DELETE FROM orders WHERE id = %s", found)

    @staticmethod
    def _price(cursor: Any) -> None:
        product = Shop._pick(cursor, "id FROM products")
        assert product is not None
        cursor.execute("UPDATE products SET price = round(price * %s, 2) WHERE id = %s", (random.uniform(0.9, 1.1), *product))

    @staticmethod
    def _join(cursor: Any) -> None:
        name = random.choice(["Alan", "Donald", "Margaret", "Leslie", "Frances", "Tony"])
        cursor.execute("INSERT INTO customers (name, email) VALUES (%s, %s)", (name, f"{name.lower()}@shop.example"))
