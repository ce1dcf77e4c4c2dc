// Runs a target without libFuzzer, under the sanitizers of the debug preset, for CI: every file of the corpus as it is,
// then random changes of them. The same changes every time; what it was doing when it died it has said before.
//
//   <target>_fuzz SECONDS corpus-folder
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

// What libFuzzer does, without looking what came of it.
void change(Bytes& bytes, const Bytes& other, std::minstd_rand& random) {
  const auto below = [&random](std::size_t bound) { return bound == 0 ? 0 : random() % bound; };
  for (auto times = 1 + below(4); times > 0; --times) {
    const auto at = static_cast<std::ptrdiff_t>(below(bytes.size() + 1));
    const auto count =
        static_cast<std::ptrdiff_t>(below(std::min<std::size_t>(bytes.size() - static_cast<std::size_t>(at), 16) + 1));
    switch (below(5)) {
      case 0:
        if (!bytes.empty()) bytes[below(bytes.size())] ^= static_cast<std::uint8_t>(1u << below(8));
        break;
      case 1:
        if (!bytes.empty()) bytes[below(bytes.size())] = static_cast<std::uint8_t>(random());
        break;
      case 2: bytes.erase(bytes.begin() + at, bytes.begin() + at + count); break;
      case 3: std::fill(bytes.begin() + at, bytes.begin() + at + count, below(2) == 0 ? 0x7F : 0xFF); break;
      default: {
        const auto from = static_cast<std::ptrdiff_t>(below(other.size() + 1));
        const auto to = from + static_cast<std::ptrdiff_t>(
                                   below(std::min<std::size_t>(other.size() - static_cast<std::size_t>(from), 64) + 1));
        bytes.insert(bytes.begin() + at, other.begin() + from, other.begin() + to);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[2])) files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<Bytes> corpus;
  for (const auto& file : files) {
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);
    std::ifstream in(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    LLVMFuzzerTestOneInput(corpus.back().data(), corpus.back().size());
  }
  if (corpus.empty()) {
    std::printf("%s holds no input\n", argv[2]);
    return 1;
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(argv[1]));
  std::minstd_rand random(1);
  std::size_t inputs = corpus.size();
  // The last input, to be found there when it ended the process.
  const std::string last = std::string(argv[0]) + ".last";
  for (; std::chrono::steady_clock::now() < end; ++inputs) {
    Bytes bytes = corpus[random() % corpus.size()];
    change(bytes, corpus[random() % corpus.size()], random);
    std::ofstream(last, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::filesystem::remove(last);
  std::printf("stat::number_of_executed_units: %zu\n", inputs);
  return 0;
}
