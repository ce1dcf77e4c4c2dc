#include "processors/testing/contract.h"

#include "processors/flatten/flatten.h"

namespace deltaforge::processors::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Flatten, ProcessorContract,
                         ::testing::Values(subject_of(flatten::add, "{type: flatten, lists: index}")));

}  // namespace
}  // namespace deltaforge::processors::testing
