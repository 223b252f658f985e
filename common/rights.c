/* rights: see rights.h. SPDX-License-Identifier: MIT */
#include "rights.h"

static const struct {
    const char *name;
    enum right right;
} table[] = {
#define X(name, text, bit) {text, RIGHT_##name},
    RIGHTS(X)
#undef X
};

enum right right_of(struct text word)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (text_is(word, table[i].name))
            return table[i].right;
    return RIGHT_NONE;
}

const char *right_text(enum right right)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].right == right)
            return table[i].name;
    return "";
}

bool rights_read(const char *text, unsigned *rights, char word[RIGHTS_WORD_MAX])
{
    static const char separators[] = ", ";
    *rights = 0;
    for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
        struct text part = {text, strcspn(text, separators)};
        enum right right = right_of(part);
        if (right == RIGHT_NONE) {
            text_copy(part, word, RIGHTS_WORD_MAX);
            return false;
        }
        *rights |= right;
        text += part.length;
    }
    return true;
}

char *rights_text(unsigned rights, char separator, char text[RIGHTS_TEXT_MAX])
{
    size_t length = 0;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if ((rights & table[i].right) != 0) {
            size_t more = strlen(table[i].name);
            if (length > 0)
                text[length++] = separator;
            memcpy(text + length, table[i].name, more);
            length += more;
        }
    text[length] = '\0';
    return text;
}
