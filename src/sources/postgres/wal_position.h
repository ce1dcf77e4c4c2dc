// Positions of this source: the end of a commit record in the log of one server. Within one server the log has one
// order, so a position is one number; the server's identity and timeline say which log that is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/position.h"
#include "sources/postgres/lsn.h"

namespace deltaforge::sources::postgres {

struct WalMark {
  Lsn end{};
  std::uint32_t xid = 0;  // 0: no transaction ended here (a keepalive)
  std::uint32_t timeline = 0;
};

struct WalPosition final : PositionData {
  std::uint64_t system = 0;  // pg_control_system().system_identifier
  std::uint32_t timeline = 0;
  std::string database;
  Lsn lsn{};
  std::uint32_t xid = 0;

  std::unique_ptr<PositionData> clone() const override { return std::make_unique<WalPosition>(*this); }
  void assign(const PositionData& other) override { *this = static_cast<const WalPosition&>(other); }
};

class WalAlgebra final : public PositionAlgebra {
 public:
  bool covers(const Position&, const Mark&) const override;
  void advance(Position&, std::span<const Mark>) const override;
  Position meet(const Position&, const Position&) const override;
  bool equal(const Position&, const Position&) const override;
  LogPlace place(const Mark&) const override;  // positions of a promoted standby go on where the old ones ended
  std::string print(const Position&) const override;
  Position parse(std::string_view record) const override;
  std::string show(const Position&) const override;
};

}  // namespace deltaforge::sources::postgres
