// Position records of one pipeline, as they stand in the store and in sinks:
//   {"v":1,"uid":"<pipeline>","epoch":1,"server":{..},"stream":{..},"tracks":{..}}
// The source's algebra writes the inner members; uid and epoch keep another pipeline's record from being taken for
// our own. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/position.h"

namespace deltaforge::pipeline {

class RecordCodec final : public PositionCodec {
 public:
  RecordCodec(const PositionAlgebra& algebra, std::string uid, std::uint64_t epoch)
      : algebra_(algebra), uid_(std::move(uid)), epoch_(epoch) {}
  std::string print(const Position&) const override;
  Position parse(std::string_view record, std::string_view where) const override;

 private:
  const PositionAlgebra& algebra_;
  const std::string uid_;
  const std::uint64_t epoch_;
};

}  // namespace deltaforge::pipeline
