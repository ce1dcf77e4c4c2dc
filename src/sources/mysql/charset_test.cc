// Character sets of the servers -> UTF-8. What is expected was read from MySQL 9.7 and MariaDB 10.11.
#include "sources/mysql/charset.h"

#include <gtest/gtest.h>

#include "sources/mysql/charset_tables.h"
#include "sources/mysql/values_for_test.h"

namespace deltaforge::sources::mysql {
namespace {

using testing::from_hex;

std::string decode(std::uint32_t collation, std::string_view hex) {
  PageBudget budget(1 << 20);
  Pages pages(budget);
  TextConverter converter;
  const Charset* charset = charset_of(collation);
  if (charset == nullptr) return "unknown";
  auto bytes = from_hex(hex);
  std::string_view text;
  return converter.to_utf8(*charset, as_text(bytes), pages, text) ? std::string(text) : "refused";
}

std::string name(std::uint32_t collation) {
  const Charset* charset = charset_of(collation);
  return charset == nullptr ? "unknown" : std::string(charset->name);
}

constexpr std::uint32_t kBig5 = 1, kLatin2 = 2, kLatin1 = 8, kSwe7 = 10, kAscii = 11, kUjis = 12, kSjis = 13,
                        kTis620 = 18, kEuckr = 19, kGb2312 = 24, kGreek = 25, kCp1250 = 26, kGbk = 28, kUtf8mb3 = 33,
                        kUcs2 = 35, kUtf8mb4 = 45, kCp1251 = 51, kUtf16 = 54, kUtf16le = 56, kUtf32 = 60, kBinary = 63,
                        kCp932 = 95, kEucjpms = 97, kGb18030 = 248;

TEST(Collations, BelongToTheirCharacterSet) {
  EXPECT_EQ(name(255), "utf8mb4");  // utf8mb4_0900_ai_ci
  EXPECT_EQ(name(323), "utf8mb4");
  EXPECT_EQ(name(83), "utf8mb3");
  EXPECT_EQ(name(63), "binary");
  EXPECT_EQ(name(159), "ucs2");
  EXPECT_EQ(name(249), "gb18030");
  EXPECT_EQ(name(576), "utf8mb3");   // MariaDB's croatian
  EXPECT_EQ(name(1070), "utf8mb4");  // utf8mb4_nopad_bin
  EXPECT_EQ(name(1032), "latin1");
  EXPECT_EQ(name(2048), "utf8mb3");  // uca1400
  EXPECT_EQ(name(2304), "utf8mb4");
  EXPECT_EQ(name(3271), "utf32");
  EXPECT_EQ(name(0), "unknown");
  EXPECT_EQ(name(1024), "unknown");
  EXPECT_EQ(name(3328), "unknown");
  EXPECT_EQ(name(UINT32_MAX), "unknown");
}

TEST(Collations, AllRangesNameACharacterSetThatIsThere) {
  for (const CollationRange& range : collation_ranges()) {
    EXPECT_EQ(name(range.first), range.charset);
    EXPECT_EQ(name(range.last), range.charset);
  }
}

TEST(Utf8, IsCheckedAndNotCopied) {
  PageBudget budget(1 << 20);
  Pages pages(budget);
  TextConverter converter;
  const std::string sent = "J\u00F6 \U0001F600 and some more";
  std::string_view text;
  ASSERT_TRUE(converter.to_utf8(*charset_of(kUtf8mb4), sent, pages, text));
  EXPECT_EQ(text.data(), sent.data());
  EXPECT_EQ(text, sent);
  EXPECT_EQ(pages.bytes(), 0U);
  ASSERT_TRUE(converter.to_utf8(*charset_of(kLatin1), "plain ASCII", pages, text));
  EXPECT_EQ(pages.bytes(), 0U);
  EXPECT_EQ(decode(kUtf8mb4, "ff"), "refused");
  EXPECT_EQ(decode(kUtf8mb3, "eda080"), "refused");
  EXPECT_EQ(decode(kUtf8mb4, "4142 4344 4546 4748 49 c3"), "refused");
  EXPECT_EQ(decode(kAscii, "4180"), "refused");
  EXPECT_EQ(decode(kBinary, "c3a9"), "é");
  EXPECT_EQ(decode(kUtf8mb4, "410042"), std::string("A\0B", 3));
}

TEST(SingleBytes, MeanWhatTheServersSay) {
  EXPECT_EQ(decode(kLatin1, "4a6f73e92080"), "José €");
  EXPECT_EQ(decode(kLatin1, "81"), "\u0081");  // not Windows-1252, which leaves it out
  EXPECT_EQ(decode(kLatin2, "b3f364bc"), "łódź");
  EXPECT_EQ(decode(kCp1251, "cff0e8e2e5f2"), "Привет");
  EXPECT_EQ(decode(kCp1251, "98"), "refused");
  EXPECT_EQ(decode(kCp1250, "81"), "refused");
  EXPECT_EQ(decode(kGreek, "c5eb"), "Ελ");
  EXPECT_EQ(decode(kTis620, "e4b7c2"), "ไทย");
  EXPECT_EQ(decode(kTis620, "db"), "refused");
  EXPECT_EQ(decode(kTis620, "ff"), "\uFFFD");  // where the servers put that character, and read it back
  EXPECT_EQ(decode(kSwe7, "5b5c5d7b7c7d41"), "ÄÖÅäöåA");
  EXPECT_EQ(decode(kSwe7, "7f"), "refused");
}

TEST(MultiBytes, MeanWhatTheServersSay) {
  EXPECT_EQ(decode(kGbk, "d6d0b9fa41"), "中国A");
  EXPECT_EQ(decode(kGbk, "80"), "refused");  // iconv has the euro there
  EXPECT_EQ(decode(kGbk, "d6"), "refused");
  EXPECT_EQ(decode(kGb2312, "d6d0"), "中");
  EXPECT_EQ(decode(kEuckr, "c7d1 bdee"), "한쏘");
  EXPECT_EQ(decode(kEuckr, "8150"), "갥");  // beyond EUC-KR
  EXPECT_EQ(decode(kSjis, "93fa 967b b1 5c 7e"), "日本ｱ\\~");
  EXPECT_EQ(decode(kSjis, "815f"), "\\");
  EXPECT_EQ(decode(kSjis, "8160"), "〜");
  EXPECT_EQ(decode(kCp932, "8740 8160"), "①～");
  EXPECT_EQ(decode(kUjis, "c6fc a1c0 8ea6"), "日\\ｦ");
  EXPECT_EQ(decode(kUjis, "8fa2b7"), "~");
  EXPECT_EQ(decode(kUjis, "f5b0"), "\uE00F");
  EXPECT_EQ(decode(kUjis, "8ff5b0"), "\uE3BB");
  EXPECT_EQ(decode(kUjis, "85"), "refused");
  EXPECT_EQ(decode(kEucjpms, "ada1"), "①");
  EXPECT_EQ(decode(kBig5, "a4a4 a4e5"), "中文");
  EXPECT_EQ(decode(kBig5, "c6a1 c6fe c740 c77e c7a1 c7fc"), "ヾェエユョ⑽");
  EXPECT_EQ(decode(kBig5, "a145 a1e3 a246 a2cc"), "•∼¢十");
  EXPECT_EQ(decode(kGb18030, "d6d0 9439fc36 a2e3"), "中😀€");
  EXPECT_EQ(decode(kGb18030, "a6d9"), "\uE78D");
  EXPECT_EQ(decode(kGb18030, "84318236"), "\uFE10");
  EXPECT_EQ(decode(kGb18030, "8431"), "refused");
}

TEST(Wide, FormsOfUnicode) {
  EXPECT_EQ(decode(kUcs2, "006800e9"), "hé");
  EXPECT_EQ(decode(kUtf16, "0068 d83dde00"), "h😀");
  EXPECT_EQ(decode(kUtf16le, "6800 3dd800de"), "h😀");
  EXPECT_EQ(decode(kUtf32, "00000068 0001f600"), "h😀");
  EXPECT_EQ(decode(kUcs2, "d83dde00"), "refused");
  EXPECT_EQ(decode(kUtf16, "d83d"), "refused");
  EXPECT_EQ(decode(kUtf16, "d83d0041"), "refused");
  EXPECT_EQ(decode(kUtf16, "00"), "refused");
  EXPECT_EQ(decode(kUtf32, "00110000"), "refused");
  EXPECT_EQ(decode(kUtf16, ""), "");
}

// Any bytes at all: a text or a refusal, and what comes out is UTF-8.
TEST(Conversion, SurvivesEveryPairOfBytes) {
  PageBudget budget(1 << 24);
  TextConverter converter;
  for (std::uint32_t id : {kBig5, kUjis, kSjis, kEuckr, kGb2312, kGbk, kUcs2, kCp932, kEucjpms, kGb18030, kLatin1}) {
    Pages pages(budget);
    for (int pair = 0; pair < 65536; pair += 7) {
      std::vector<char> bytes{static_cast<char>(pair >> 8), static_cast<char>(pair)};
      std::string_view text;
      if (!converter.to_utf8(*charset_of(id), {bytes.data(), bytes.size()}, pages, text)) continue;
      std::string_view again;
      ASSERT_TRUE(converter.to_utf8(*charset_of(kUtf8mb4), text, pages, again)) << id << " " << pair;
    }
  }
}

}  // namespace
}  // namespace deltaforge::sources::mysql
