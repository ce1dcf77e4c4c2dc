#include "processors/testing/contract.h"

#include "core/outbox.h"
#include "processors/outbox/outbox.h"

namespace deltaforge::processors::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Outbox, ProcessorContract,
                         ::testing::Values(subject_of(outbox::add, R"(
type: outbox
default_topic: events
columns: {payload: doc, aggregate_type: status, aggregate_id: id, event_type: total, event_id: id})",
                                                      [](TableSchema& table) { table.schema = kOutboxSchema; })));

}  // namespace
}  // namespace deltaforge::processors::testing
