"""Keeps the shop busy: orders are placed, paid, shipped and cancelled; prices move; customers join."""

from __future__ import annotations

import random
import threading

import psycopg2


class Shop:
    def __init__(self, dsn: str, per_second: float) -> None:
        self.dsn, self.per_second = dsn, per_second
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
        link = psycopg2.connect(self.dsn)
        cursor = link.cursor()
        actions = [self._order] * 5 + [self._advance] * 4 + [self._cancel, self._price, self._join]
        while not self._stop.wait(1 / self.per_second):
            random.choice(actions)(cursor)
            link.commit()
            self.transactions += 1
        link.close()

    @staticmethod
    def _order(cursor) -> None:
        cursor.execute("INSERT INTO orders (customer_id) SELECT id FROM customers ORDER BY random() LIMIT 1 RETURNING id")
        order = cursor.fetchone()[0]
        cursor.execute("SELECT id FROM products ORDER BY random() LIMIT %s", (random.randint(1, 3),))
        for line, (product,) in enumerate(cursor.fetchall(), 1):
            quantity = random.randint(1, 4)
            cursor.execute("INSERT INTO order_items VALUES (%s, %s, %s, %s)", (order, line, product, quantity))
            cursor.execute("UPDATE products SET stock = stock - %s WHERE id = %s", (quantity, product))

    @staticmethod
    def _advance(cursor) -> None:
        cursor.execute("UPDATE orders SET status = CASE status WHEN 'new' THEN 'paid' ELSE 'shipped' END::order_status "
                       "WHERE id = (SELECT id FROM orders WHERE status IN ('new', 'paid') ORDER BY random() LIMIT 1)")

    @staticmethod
    def _cancel(cursor) -> None:
        cursor.execute("DELETE FROM orders WHERE id = (SELECT id FROM orders WHERE status = 'new' ORDER BY random() LIMIT 1)")

    @staticmethod
    def _price(cursor) -> None:
        cursor.execute("UPDATE products SET price = round(price * %s, 2) "
                       "WHERE id = (SELECT id FROM products ORDER BY random() LIMIT 1)", (random.uniform(0.9, 1.1),))

    @staticmethod
    def _join(cursor) -> None:
        name = random.choice(["Alan", "Donald", "Margaret", "Leslie", "Frances", "Tony"])
        cursor.execute("INSERT INTO customers (name, email) VALUES (%s, %s)", (name, f"{name.lower()}@shop.example"))
