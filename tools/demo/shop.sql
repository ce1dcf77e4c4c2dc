-- A small shop, for the demo.
CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL,
  joined timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE products (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  price numeric(10, 2) NOT NULL,
  stock int NOT NULL
);
CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped', 'cancelled');
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES customers,
  status order_status NOT NULL DEFAULT 'new',
  placed timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE order_items (
  order_id bigint REFERENCES orders,
  line int,
  product_id bigint NOT NULL REFERENCES products,
  quantity int NOT NULL,
  PRIMARY KEY (order_id, line)
);
ALTER TABLE products REPLICA IDENTITY FULL;  -- updates show the old price and stock, too
INSERT INTO products (name, price, stock)
  SELECT n, p, 1000 FROM (VALUES ('Kettle', 39.90), ('Teapot', 24.50), ('Green tea', 7.20), ('Cup', 4.95)) v(n, p);
INSERT INTO customers (name, email)
  SELECT n, lower(n) || '@shop.example' FROM unnest(ARRAY['Ada', 'Grace', 'Edsger', 'Barbara']) n;
