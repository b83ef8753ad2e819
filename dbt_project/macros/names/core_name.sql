{#-
    Names as they are compared, never as they are shown (C.2, D.5): without marks (so that neither composition nor the
    place of a tone nor đ for d matters), in lower case, every other character a blank, abbreviations written out, words
    of the legal form left out. 'CTY TNHH TM-DV Hoà Bình' and 'Công ty Cổ phần Thương mại Dịch vụ Hòa Bình' are 'thuong mai
    dich vu hoa binh'.
-#}
{% macro core_name(name) -%}
    {#- two blanks around each word, so that two of the same that follow each other are both found. Plain replacing needs a
        tenth of what patterns do; ten a select, or linters and readers drown in brackets -#}
    {%- set written = namespace(out="select '  ' || replace(" ~ folded_text(name) ~ ", ' ', '  ') || '  ' as words") -%}
    {%- set replaced = [] -%}
    {%- for short, long in name_abbreviations().items() -%}
        {%- do replaced.append("' " ~ short ~ " ', ' " ~ long | replace(' ', '  ') ~ " '") -%}
    {%- endfor -%}
    {%- for form in legal_forms() -%}
        {%- do replaced.append("' " ~ form | replace(' ', '  ') ~ " ', '  '") -%}
    {%- endfor -%}
    {%- for ten in replaced | batch(10) -%}
        {%- set chain = namespace(out='step.words') -%}
        {%- for pair in ten -%}{%- set chain.out = 'replace(' ~ chain.out ~ ', ' ~ pair ~ ')' -%}{%- endfor -%}
        {%- set written.out = 'select ' ~ chain.out ~ ' as words from (' ~ written.out ~ ') as step' -%}
    {%- endfor -%}
    (select btrim(regexp_replace(step.words, ' +', ' ', 'g')) from ({{ written.out }}) as step)
{%- endmacro %}


{# text without marks, in lower case, with a blank for whatever is neither letter nor digit #}
{% macro folded_text(text) -%}
    btrim(regexp_replace(
        lower(translate(
            regexp_replace(normalize({{ text }}, NFD), '[\u0300-\u036f]', '', 'g'), 'ĐđÐð', 'dddd'
        )),
        '[^a-z0-9]+', ' ', 'g'
    ))
{%- endmacro %}


{# the numbers in a text, each once, in order: names with different ones are never similar (R18) #}
{% macro digit_words(text) -%}
    array(
        select distinct number.word[1]
        from regexp_matches({{ text }}, '[0-9]+', 'g') as number (word)
        order by 1
    )
{%- endmacro %}


{# words that say what kind of body it is; the longer before those that stand in it #}
{% macro legal_forms() -%}
    {{ return([
        'cong ty trach nhiem huu han', 'trach nhiem huu han', 'doanh nghiep tu nhan', 'van phong dai dien',
        'mot thanh vien', 'hai thanh vien', 'tong cong ty', 'ho kinh doanh', 'cong ty co phan', 'cong ty hop danh',
        'hop tac xa', 'doanh nghiep', 'cong ty', 'co phan', 'tap doan', 'chi nhanh', 'xi nghiep', 'tnhh', 'dntn',
        'vpdd', 'mtv', '1tv', '2tv', 'htx', 'hkd', 'tct', 'cty', 'ctcp', 'cp',
    ]) }}
{%- endmacro %}


{# abbreviations of what a company does #}
{% macro name_abbreviations() -%}
    {{ return({
        'tm': 'thuong mai', 'dv': 'dich vu', 'sx': 'san xuat', 'xd': 'xay dung', 'xnk': 'xuat nhap khau',
        'dt': 'dau tu', 'pt': 'phat trien', 'vt': 'van tai', 'kd': 'kinh doanh',
    }) }}
{%- endmacro %}
