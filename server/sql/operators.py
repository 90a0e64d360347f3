"""Operators as data: PostgreSQL's pg_operator for the functions that are implemented."""

from server.sql.functions import FUNCTION_BY_OID, Operator, register_operator
from server.sql.types import BY_NAME

# name commutator negator, then oid:left,right:function's oid; indented lines continue
_FACTS = r"""
!~ - ~ 640:name,text:1252 642:text,text:1256 1056:bpchar,text:1659
!~* - ~* 1227:name,text:1241 1229:text,text:1239 1235:bpchar,text:1657
!~~ - ~~ 1208:name,text:859 1210:text,text:851 1212:bpchar,text:1632 2017:bytea,bytea:2006
!~~* - ~~* 1626:name,text:1636 1628:text,text:1634 1630:bpchar,text:1661
!! - - 3682:,tsquery:3671
# # - 1876:int2,int2:1894 1882:int4,int4:1900 1888:int8,int8:1906
#- - - 3287:jsonb,_text:3304
#> - - 3213:jsonb,_text:3217 3966:json,_text:3951
#>> - - 3206:jsonb,_text:3940 3967:json,_text:3953
% - - 439:int8,int8:945 529:int2,int2:155 530:int4,int4:156 1762:numeric,numeric:1729
& & - 1874:int2,int2:1892 1880:int4,int4:1898 1886:int8,int8:1904
& - - 2635:inet,inet:2628 3148:macaddr,macaddr:3145 3369:macaddr8,macaddr8:4121
&& && - 2750:anyarray,anyarray:2747
  3552:inet,inet:3551
&& - - 3680:tsquery,tsquery:3669
* * - 514:int4,int4:141 526:int2,int2:152 544:int2,int4:170 545:int4,int2:171 589:float4,float4:202
  594:float8,float8:216 686:int8,int8:465 690:int8,int4:1276 694:int4,int8:1280 820:int8,int2:839
  824:int2,int8:943 1119:float4,float8:279 1129:float8,float4:283 1583:interval,float8:1618
  1584:float8,interval:1624 1760:numeric,numeric:1726
+ + - 550:int2,int2:176 551:int4,int4:177 552:int2,int4:178 553:int4,int2:179 586:float4,float4:204
  591:float8,float8:218 684:int8,int8:463 688:int8,int4:1274 692:int4,int8:1278 818:int8,int2:837
  822:int2,int8:841 1076:date,interval:2071 1100:date,int4:1141 1116:float4,float8:281 1126:float8,float4:285
  1327:timestamptz,interval:1189 1337:interval,interval:1169 1360:date,time:1272 1361:date,timetz:1297
  1363:time,date:1296 1366:timetz,date:1298 1758:numeric,numeric:1724 1800:time,interval:1747
  1802:timetz,interval:1749 1849:interval,time:1848 2066:timestamp,interval:2032 2551:interval,date:2546
  2552:interval,timetz:2547 2553:interval,timestamp:2548 2554:interval,timestamptz:2549 2555:int4,date:2550
  2637:inet,int8:2630 2638:int8,inet:2631
+ - - 1916:,int8:1910 1917:,int2:1911 1918:,int4:1912 1919:,float4:1913 1920:,float8:1914 1921:,numeric:1915
- - - 484:,int8:462 554:int2,int2:180 555:int4,int4:181 556:int2,int4:182 557:int4,int2:183 558:,int4:212
  559:,int2:213 584:,float4:206 585:,float8:220 587:float4,float4:205 592:float8,float8:219 685:int8,int8:464
  689:int8,int4:1275 693:int4,int8:1279 819:int8,int2:838 823:int2,int8:942 1077:date,interval:2072
  1099:date,date:1140 1101:date,int4:1142 1117:float4,float8:282 1127:float8,float4:286
  1328:timestamptz,timestamptz:1188 1329:timestamptz,interval:1190 1336:,interval:1168
  1338:interval,interval:1170 1399:time,time:1690 1751:,numeric:1771 1759:numeric,numeric:1725
  1801:time,interval:1748 1803:timetz,interval:1750 2067:timestamp,timestamp:2031 2068:timestamp,interval:2033
  3285:jsonb,text:3302 3286:jsonb,int4:3303 3398:jsonb,_text:3343
  2639:inet,int8:2632 2640:inet,inet:2633
-> - - 3211:jsonb,text:3478 3212:jsonb,int4:3215 3962:json,text:3947 3964:json,int4:3949
->> - - 3477:jsonb,text:3214 3481:jsonb,int4:3216 3963:json,text:3948 3965:json,int4:3950
/ - - 527:int2,int2:153 528:int4,int4:154 546:int2,int4:172 547:int4,int2:173 588:float4,float4:203
  593:float8,float8:217 687:int8,int8:466 691:int8,int4:1277 695:int4,int8:1281 821:int8,int2:840
  825:int2,int8:948 1118:float4,float8:280 1128:float8,float4:284 1585:interval,float8:1326
  1761:numeric,numeric:1727
< > >= 37:int4,int8:854 58:bool,bool:56 95:int2,int2:64 97:int4,int4:66 255:name,text:241 261:text,name:248
  412:int8,int8:469 418:int8,int4:476 534:int2,int4:160 535:int4,int2:161 609:oid,oid:716
  622:float4,float4:289 631:char,char:1246 645:oidvector,oidvector:677 660:name,name:655 664:text,text:740
  672:float8,float8:295 1058:bpchar,bpchar:1049 1072:anyarray,anyarray:391 1095:date,date:1087
  1110:time,time:1102 1122:float4,float8:301 1132:float8,float4:307 1322:timestamptz,timestamptz:1154
  1332:interval,interval:1164 1552:timetz,timetz:1354 1754:numeric,numeric:1722 1864:int2,int8:1852
  1870:int8,int2:1858 1957:bytea,bytea:1949 2062:timestamp,timestamp:2054 2345:date,timestamp:2338
  2358:date,timestamptz:2351 2371:timestamp,date:2364 2384:timestamptz,date:2377
  2534:timestamp,timestamptz:2520 2540:timestamptz,timestamp:2527 2974:uuid,uuid:2954 2990:record,record:2983
  3242:jsonb,jsonb:4039
  3627:tsvector,tsvector:3616 3674:tsquery,tsquery:3662
  1203:inet,inet:921 1222:macaddr,macaddr:831 3364:macaddr8,macaddr8:4114
<< - - 1878:int2,int4:1896 1884:int4,int4:1902 1890:int8,int4:1908
<-> - - 5005:tsquery,tsquery:5003
<< >> - 931:inet,inet:927
<<= >>= - 932:inet,inet:928
<= >= > 80:int4,int8:856 256:name,text:242 262:text,name:249 414:int8,int8:471 420:int8,int4:478
  522:int2,int2:148 523:int4,int4:149 540:int2,int4:166 541:int4,int2:167 611:oid,oid:717
  624:float4,float4:290 632:char,char:72 647:oidvector,oidvector:678 661:name,name:656 665:text,text:741
  673:float8,float8:296 1059:bpchar,bpchar:1050 1074:anyarray,anyarray:393 1096:date,date:1088
  1111:time,time:1103 1124:float4,float8:302 1134:float8,float4:308 1323:timestamptz,timestamptz:1155
  1333:interval,interval:1165 1553:timetz,timetz:1355 1694:bool,bool:1691 1755:numeric,numeric:1723
  1866:int2,int8:1854 1872:int8,int2:1860 1958:bytea,bytea:1950 2063:timestamp,timestamp:2055
  2346:date,timestamp:2339 2359:date,timestamptz:2352 2372:timestamp,date:2365 2385:timestamptz,date:2378
  2535:timestamp,timestamptz:2521 2541:timestamptz,timestamp:2528 2976:uuid,uuid:2955 2992:record,record:2985
  3244:jsonb,jsonb:4041
  3628:tsvector,tsvector:3617 3675:tsquery,tsquery:3663
  1204:inet,inet:922 1223:macaddr,macaddr:832 3365:macaddr8,macaddr8:4115
<> <> = 36:int4,int8:853 85:bool,bool:84 259:name,text:245 265:text,name:252 411:int8,int8:468
  417:int8,int4:475 518:int4,int4:144 519:int2,int2:145 531:text,text:157 538:int2,int4:164 539:int4,int2:165
  608:oid,oid:185 621:float4,float4:288 630:char,char:70 643:name,name:659 644:oidvector,oidvector:619
  671:float8,float8:294 1057:bpchar,bpchar:1053 1071:anyarray,anyarray:390 1094:date,date:1091
  1109:time,time:1106 1121:float4,float8:300 1131:float8,float4:306 1321:timestamptz,timestamptz:1153
  1331:interval,interval:1163 1551:timetz,timetz:1353 1753:numeric,numeric:1719 1863:int2,int8:1851
  1869:int8,int2:1857 1956:bytea,bytea:1953 2061:timestamp,timestamp:2053 2350:date,timestamp:2343
  2363:date,timestamptz:2356 2376:timestamp,date:2369 2389:timestamptz,date:2382
  2539:timestamp,timestamptz:2525 2545:timestamptz,timestamp:2532 2973:uuid,uuid:2959 2989:record,record:2982
  3241:jsonb,jsonb:4038 3315:xid,xid:3308
  3630:tsvector,tsvector:3619 3677:tsquery,tsquery:3665
  1202:inet,inet:925 1221:macaddr,macaddr:835 3363:macaddr8,macaddr8:4118
<@ @> - 2752:anyarray,anyarray:2749 3250:jsonb,jsonb:4050
  3694:tsquery,tsquery:3692
= = <> 15:int4,int8:852 91:bool,bool:60 92:char,char:61 93:name,name:62 94:int2,int2:63 96:int4,int4:65
  98:text,text:67 254:name,text:240 260:text,name:247 352:xid,xid:68 410:int8,int8:467 416:int8,int4:474
  532:int2,int4:158 533:int4,int2:159 607:oid,oid:184 620:float4,float4:287 649:oidvector,oidvector:679
  670:float8,float8:293 1054:bpchar,bpchar:1048 1070:anyarray,anyarray:744 1093:date,date:1086
  1108:time,time:1145 1120:float4,float8:299 1130:float8,float4:305 1320:timestamptz,timestamptz:1152
  1330:interval,interval:1162 1550:timetz,timetz:1352 1752:numeric,numeric:1718 1862:int2,int8:1850
  1868:int8,int2:1856 1955:bytea,bytea:1948 2060:timestamp,timestamp:2052 2347:date,timestamp:2340
  2360:date,timestamptz:2353 2373:timestamp,date:2366 2386:timestamptz,date:2379
  2536:timestamp,timestamptz:2522 2542:timestamptz,timestamp:2529 2972:uuid,uuid:2956 2988:record,record:2981
  3240:jsonb,jsonb:4043
  3629:tsvector,tsvector:3618 3676:tsquery,tsquery:3664
  1201:inet,inet:920 1220:macaddr,macaddr:830 3362:macaddr8,macaddr8:4113
> < <= 59:bool,bool:57 76:int4,int8:855 258:name,text:244 264:text,name:251 413:int8,int8:470
  419:int8,int4:477 520:int2,int2:146 521:int4,int4:147 536:int2,int4:162 537:int4,int2:163 610:oid,oid:1638
  623:float4,float4:291 633:char,char:73 646:oidvector,oidvector:681 662:name,name:657 666:text,text:742
  674:float8,float8:297 1060:bpchar,bpchar:1051 1073:anyarray,anyarray:392 1097:date,date:1089
  1112:time,time:1104 1123:float4,float8:303 1133:float8,float4:309 1324:timestamptz,timestamptz:1157
  1334:interval,interval:1167 1554:timetz,timetz:1357 1756:numeric,numeric:1720 1865:int2,int8:1853
  1871:int8,int2:1859 1959:bytea,bytea:1951 2064:timestamp,timestamp:2057 2349:date,timestamp:2341
  2362:date,timestamptz:2354 2375:timestamp,date:2367 2388:timestamptz,date:2380
  2538:timestamp,timestamptz:2523 2544:timestamptz,timestamp:2530 2975:uuid,uuid:2958 2991:record,record:2984
  3243:jsonb,jsonb:4040
  3632:tsvector,tsvector:3621 3679:tsquery,tsquery:3667
  1205:inet,inet:923 1224:macaddr,macaddr:833 3366:macaddr8,macaddr8:4116
>= <= < 82:int4,int8:857 257:name,text:243 263:text,name:250 415:int8,int8:472 430:int8,int4:479
  524:int2,int2:151 525:int4,int4:150 542:int2,int4:168 543:int4,int2:169 612:oid,oid:1639
  625:float4,float4:292 634:char,char:74 648:oidvector,oidvector:680 663:name,name:658 667:text,text:743
  675:float8,float8:298 1061:bpchar,bpchar:1052 1075:anyarray,anyarray:396 1098:date,date:1090
  1113:time,time:1105 1125:float4,float8:304 1135:float8,float4:310 1325:timestamptz,timestamptz:1156
  1335:interval,interval:1166 1555:timetz,timetz:1356 1695:bool,bool:1692 1757:numeric,numeric:1721
  1867:int2,int8:1855 1873:int8,int2:1861 1960:bytea,bytea:1952 2065:timestamp,timestamp:2056
  2348:date,timestamp:2342 2361:date,timestamptz:2355 2374:timestamp,date:2368 2387:timestamptz,date:2381
  2537:timestamp,timestamptz:2524 2543:timestamptz,timestamp:2531 2977:uuid,uuid:2957 2993:record,record:2986
  3245:jsonb,jsonb:4042
  3631:tsvector,tsvector:3620 3678:tsquery,tsquery:3666
  1206:inet,inet:924 1225:macaddr,macaddr:834 3367:macaddr8,macaddr8:4117
>> - - 1879:int2,int4:1897 1885:int4,int4:1903 1891:int8,int4:1909
>> << - 933:inet,inet:929
>>= <<= - 934:inet,inet:930
? - - 3247:jsonb,text:4047
?& - - 3249:jsonb,_text:4049
?| - - 3248:jsonb,_text:4048
@ - - 473:,int8:1230 590:,float4:207 595:,float8:221 682:,int2:1253 773:,int4:1251 1763:,numeric:1704
@? - - 4012:jsonb,jsonpath:4010
@@ - - 4013:jsonb,jsonpath:4011 3762:text,text:3760 3763:text,tsquery:3761
@@ @@ - 3636:tsvector,tsquery:3634 3637:tsquery,tsvector:3635
@@@ @@@ - 3660:tsvector,tsquery:3634 3661:tsquery,tsvector:3635
@> <@ - 2751:anyarray,anyarray:2748 3246:jsonb,jsonb:4046
  3693:tsquery,tsquery:3691
^ - - 965:float8,float8:232 1038:numeric,numeric:1739
^@ - - 3877:text,text:3696
| | - 1875:int2,int2:1893 1881:int4,int4:1899 1887:int8,int8:1905
| - - 2636:inet,inet:2629 3149:macaddr,macaddr:3146 3370:macaddr8,macaddr8:4122
|/ - - 596:,float8:230
|| - - 349:anycompatiblearray,anycompatible:378 374:anycompatible,anycompatiblearray:379
  375:anycompatiblearray,anycompatiblearray:383 654:text,text:1258 2018:bytea,bytea:2011
  2779:text,anynonarray:2003 2780:anynonarray,text:2004 3284:jsonb,jsonb:3301
  3633:tsvector,tsvector:3625 3681:tsquery,tsquery:3670
||/ - - 597:,float8:231
~ - !~ 639:name,text:79 641:text,text:1254 1055:bpchar,text:1658
~ - - 1877:,int2:1895 1883:,int4:1901 1889:,int8:1907
  2634:,inet:2627 3147:,macaddr:3144 3368:,macaddr8:4120
~* - !~* 1226:name,text:1240 1228:text,text:1238 1234:bpchar,text:1656
~<=~ ~>=~ ~>~ 2315:text,text:2161
~<~ ~>~ ~>=~ 2314:text,text:2160
~>=~ ~<=~ ~<~ 2317:text,text:2163
~>~ ~<~ ~<=~ 2318:text,text:2164
~~ - !~~ 1207:name,text:858 1209:text,text:850 1211:bpchar,text:1631 2016:bytea,bytea:2005
~~* - !~~* 1625:name,text:1635 1627:text,text:1633 1629:bpchar,text:1660
"""

_OF_RANGES = """
&& && - 2866:anyrange,anymultirange:4246 2867:anymultirange,anyrange:4247
  2868:anymultirange,anymultirange:4248 3888:anyrange,anyrange:3857
&< - - 2875:anyrange,anymultirange:4264 2876:anymultirange,anyrange:4265
  2877:anymultirange,anymultirange:4266 3895:anyrange,anyrange:3865
&> - - 3585:anyrange,anymultirange:4267 3896:anyrange,anyrange:3866 4035:anymultirange,anyrange:4268
  4142:anymultirange,anymultirange:4269
* * - 3900:anyrange,anyrange:3868 4394:anymultirange,anymultirange:4272
+ + - 3898:anyrange,anyrange:3867 4392:anymultirange,anymultirange:4270
- - - 3899:anyrange,anyrange:3869 4393:anymultirange,anymultirange:4271
-|- -|- - 3897:anyrange,anyrange:3862 4179:anyrange,anymultirange:4255 4180:anymultirange,anyrange:4257
  4198:anymultirange,anymultirange:4256
< > >= 2862:anymultirange,anymultirange:4274 3884:anyrange,anyrange:3871
<< >> - 3893:anyrange,anyrange:3863 4395:anyrange,anymultirange:4258 4396:anymultirange,anyrange:4259
  4397:anymultirange,anymultirange:4260
<= >= > 2863:anymultirange,anymultirange:4275 3885:anyrange,anyrange:3872
<> <> = 2861:anymultirange,anymultirange:4245 3883:anyrange,anyrange:3856
<@ @> - 2872:anyelement,anymultirange:4252 2873:anyrange,anymultirange:4253
  2874:anymultirange,anymultirange:4254 3891:anyelement,anyrange:3860 3892:anyrange,anyrange:3861
  4540:anymultirange,anyrange:4542
= = <> 2860:anymultirange,anymultirange:4244 3882:anyrange,anyrange:3855
> < <= 2865:anymultirange,anymultirange:4277 3887:anyrange,anyrange:3874
>= <= < 2864:anymultirange,anymultirange:4276 3886:anyrange,anyrange:3873
>> << - 3894:anyrange,anyrange:3864 4398:anyrange,anymultirange:4261 4399:anymultirange,anyrange:4262
  4400:anymultirange,anymultirange:4263
@> <@ - 2869:anymultirange,anyelement:4249 2870:anymultirange,anyrange:4250
  2871:anymultirange,anymultirange:4251 3889:anyrange,anyelement:3858 3890:anyrange,anyrange:3859
  4539:anyrange,anymultirange:4541
"""


def _load(facts: str) -> None:
    for line in facts.strip().replace("\n  ", " ").splitlines():
        name, commutator, negator, *entries = line.split()
        for entry in entries:
            oid, types, function = entry.rsplit(":", 2)
            left, right = types.split(",")
            implementation = FUNCTION_BY_OID[int(function)]
            register_operator(
                Operator(
                    int(oid),
                    name,
                    BY_NAME[left] if left else None,
                    BY_NAME[right],
                    implementation.result,
                    implementation,
                    None if commutator == "-" else commutator,
                    None if negator == "-" else negator,
                )
            )


_load(_FACTS)
_load(_OF_RANGES)
