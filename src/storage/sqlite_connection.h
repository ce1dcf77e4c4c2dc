// One connection to the state database, used by one thread at a time. Whatever goes wrong is an Error{storage} that
// names the file and what the operating system said, or Error{state_lost} when the file is damaged.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

struct sqlite3;
struct sqlite3_stmt;

namespace deltaforge::storage {

// A prepared statement at work: bind in order, then step. Reset when it goes.
class Query {
 public:
  Query(sqlite3* database, sqlite3_stmt* statement, const std::string& path)
      : database_(database), statement_(statement), path_(path) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  // Text must outlive the query.
  Query& bind(std::string_view text);
  // Numbers past the range of SQLite's integers mean "the largest".
  Query& bind(std::uint64_t number);

  bool step();  // true: there is a row
  std::string text(int column) const;
  std::uint64_t number(int column) const;

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_;
  const std::string& path_;
  int bound_ = 0;
};

class Connection {
 public:
  // Never creates the file.
  explicit Connection(std::string path);
  // Reads only, and leaves no trace beside the file either, also while another process writes.
  static Connection of_reader(std::string path);
  Connection(Connection&&) = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `sql` is a literal: compiled statements are kept by its address.
  Query query(const char* sql);
  // One or more statements without results.
  void run(const char* sql);
  // Rows that the last statement changed, and the row id that it made.
  std::uint64_t changes() const;
  std::uint64_t last_id() const;
  // Another file, or none, stands where this one was opened.
  bool file_was_replaced() const;

 private:
  Connection(std::string path, const std::string& name, int flags);

  struct Close {
    void operator()(sqlite3*) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt*) const;
  };

  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
};

}  // namespace deltaforge::storage
