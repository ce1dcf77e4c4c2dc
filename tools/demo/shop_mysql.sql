-- The same shop for MySQL and MariaDB. (No ON DELETE CASCADE: what the storage engine deletes by itself is in no binlog.)
CREATE TABLE customers (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  name varchar(100) NOT NULL,
  email varchar(200) NOT NULL,
  joined timestamp NOT NULL DEFAULT current_timestamp
);
CREATE TABLE products (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  name varchar(100) NOT NULL,
  price decimal(10, 2) NOT NULL,
  stock int NOT NULL
);
CREATE TABLE orders (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  customer_id bigint NOT NULL,
  status enum('new', 'paid', 'shipped', 'cancelled') NOT NULL DEFAULT 'new',
  placed timestamp NOT NULL DEFAULT current_timestamp,
  FOREIGN KEY (customer_id) REFERENCES customers (id)
);
CREATE TABLE order_items (
  order_id bigint,
  line int,
  product_id bigint NOT NULL,
  quantity int NOT NULL,
  PRIMARY KEY (order_id, line),
  FOREIGN KEY (order_id) REFERENCES orders (id),
  FOREIGN KEY (product_id) REFERENCES products (id)
);
INSERT INTO products (name, price, stock)
  VALUES ('Kettle', 39.90, 1000), ('Teapot', 24.50, 1000), ('Green tea', 7.20, 1000), ('Cup', 4.95, 1000);
INSERT INTO customers (name, email) VALUES ('Ada', 'ada@shop.example'), ('Grace', 'grace@shop.example'),
  ('Edsger', 'edsger@shop.example'), ('Barbara', 'barbara@shop.example');
