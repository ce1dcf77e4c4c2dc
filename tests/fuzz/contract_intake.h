// An intake that holds a source to its contract (core/source.h) as strictly as the pipeline's own does, encodes every
// event, and looks at what comes out.
#pragma once

#include <vector>

#include "base/pages.h"
#include "core/batch.h"
#include "core/source.h"
#include "schema/registry.h"

namespace deltaforge::fuzz {

class ContractIntake final : public Intake, private BatchHome {
 public:
  // What a decoder promises of its texts.
  struct Promises {
    bool utf8 = true;  // every text is UTF-8
    bool json = true;  // every value of kind json is JSON
  };
  explicit ContractIntake(Promises promises);

  bool room() override;
  Event& event() override;
  Pages& pages() override;
  void commit(const Mark&, const TransactionInfo&) override;
  void idle(const Mark&) override;
  void rollback() override;
  void drained() override {}
  SteadyTime deadline() const override { return SteadyTime::max(); }
  int wake_fd() const override { return -1; }

  const std::vector<Mark>& marks() const { return marks_; }

 private:
  void recycle(Batch*) noexcept override {}
  void check(const Event&);

  Promises promises_;
  Batch batch_;
  std::vector<Mark> marks_;
  bool may_write_ = false;  // room() said yes since the last commit or rollback
};

// For one input: its schemas must live as long as the encoders, which remember them.
schema::Registry& registry_for_input();

// Kinds and texts, arrays too.
void check_value(const Value&, ContractIntake::Promises);

}  // namespace deltaforge::fuzz
