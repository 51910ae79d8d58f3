{#- Why a delivered insider transaction is refused, or NULL: the one list of rules for every vendor of the forms. Needs the
    columns row_error, ticker, insider, filing_date, transaction_date, code (a letter of Form 4), shares (positive),
    price_usd and is_acquired (NULL where the vendor does not say); a row without a code is a holding. -#}
{% macro insider_refusal() -%}
    case
        when row_error is not null then 'unreadable_value'
        when ticker is null or insider is null or filing_date is null then 'null_key'
        when code is null then 'not_a_transaction'
        when transaction_date is null then 'null_key'
        when filing_date > current_date then 'in_the_future'
        when filing_date < transaction_date then 'filed_before_trade'
        when code not in (
            'P', 'S', 'V', 'A', 'D', 'F', 'I', 'M', 'C', 'E', 'H', 'O', 'X', 'G', 'L', 'W', 'Z', 'J', 'K', 'U'
        ) then 'unknown_code'
        when not coalesce(isfinite(shares) and shares > 0, false) then 'no_shares'
        when not coalesce(isfinite(price_usd) and price_usd >= 0, true) then 'bad_price'
        -- a trillion of shares or dollars; a price of 0 is a gift's
        when {{ is_too_large(['shares', 'price_usd'], '1e12') }} then 'number_too_large'
        when shares < 1e-9 then 'number_too_small'
        when code = 'P' and not is_acquired or code = 'S' and is_acquired then 'direction_contradicts_code'
    end
{%- endmacro %}
