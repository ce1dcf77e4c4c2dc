#include "processors/testing/contract.h"

#include "processors/filter/filter.h"

namespace deltaforge::processors::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Filter, ProcessorContract, ::testing::Values(subject_of(filter::add, R"(
type: filter
fields: [{path: status, op: in, value: [paid, sent, seen]}])")));

}  // namespace
}  // namespace deltaforge::processors::testing
